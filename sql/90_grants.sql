GRANT USAGE ON SCHEMA medallion TO PUBLIC;
GRANT SELECT ON medallion.progress TO PUBLIC;
GRANT SELECT ON medallion.corrections, medallion.tables, medallion.units, medallion.expectations, medallion.expectation_results, medallion.refreshes TO PUBLIC;
GRANT SELECT ON medallion.job_runs, medallion.jobs, medallion.schedules TO PUBLIC;
GRANT SELECT ON medallion.flow_runs, medallion.flows TO PUBLIC;
GRANT SELECT ON medallion.alerts, medallion.drift, medallion.monitors TO PUBLIC;
