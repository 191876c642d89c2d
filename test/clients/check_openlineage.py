"""OpenLineage's Python client takes the events as they are and writes them again as they were."""
import json

from openlineage.client import event_v2
from openlineage.client.serde import Serde

from checks import ok, sql

SETUP = """
CREATE TABLE bronze.sales (sale_id int PRIMARY KEY, shop_id int, day date, amount numeric, card text);
CREATE VIEW silver.sales AS SELECT sale_id, shop_id, day, amount, md5(card) AS buyer FROM bronze.sales WHERE amount > 0;
SELECT medallion.define('gold.daily', 'SELECT day, sum(amount) AS revenue, count(DISTINCT buyer) AS buyers FROM silver.sales GROUP BY day', '{day}');
SELECT medallion.expect('gold.daily', 'some', 'revenue > 0');
SELECT medallion.refresh('gold.daily');
"""


def dataset(kind, given):
    return kind(**given)


def as_client_event(given):
    common = {"eventTime": given["eventTime"], "producer": given["producer"]}
    if "dataset" in given:
        return event_v2.DatasetEvent(dataset=dataset(event_v2.StaticDataset, given["dataset"]), **common)
    job = given["job"]
    if "run" in given:
        return event_v2.RunEvent(eventType=event_v2.RunState(given["eventType"]), run=event_v2.Run(given["run"]["runId"], facets=given["run"]["facets"]),
                                 job=event_v2.Job(job["namespace"], job["name"], facets=job["facets"]),
                                 inputs=[dataset(event_v2.InputDataset, d) for d in given["inputs"]],
                                 outputs=[dataset(event_v2.OutputDataset, d) for d in given["outputs"]], **common)
    return event_v2.JobEvent(job=event_v2.Job(job["namespace"], job["name"], facets=job["facets"]),
                             inputs=[dataset(event_v2.InputDataset, d) for d in given["inputs"]],
                             outputs=[dataset(event_v2.OutputDataset, d) for d in given["outputs"]], **common)


def without_empty(written):
    """The client adds facets that a dataset may have in its role, empty."""
    for each in written.get("inputs", []) + written.get("outputs", []):
        for role in ("facets", "inputFacets", "outputFacets"):
            if each.get(role) == {}:
                del each[role]
    return written


def main():
    for statement in SETUP.strip().split(";\n"):
        sql(statement)
    events = [event for event, in sql("SELECT event FROM medallion.openlineage('gold.daily')")]
    ok(len(events) == 3, "OpenLineage: an event per relation", events)
    runs = [event for event, in sql("SELECT event FROM medallion.openlineage_runs()")]
    ok(len(runs) == 4, "OpenLineage: a run starts and completes, and so does the test of its rules", runs)
    for given in events + runs:
        written = without_empty(json.loads(Serde.to_json(as_client_event(given))))
        name = given.get("job", given.get("dataset"))["name"]
        ok(written == given, f"OpenLineage: the client writes the event of {name} as it was, of the same version of the schema",
           json.dumps(written, indent=1) + json.dumps(given, indent=1))


if __name__ == "__main__":
    main()
