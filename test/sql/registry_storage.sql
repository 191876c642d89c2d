-- How versions are stored: compressed where that helps, and seen by the very next command of the same transaction.
CREATE TABLE registry_stored AS
SELECT i % 7 AS few, i % 50 AS fifty, ln(1 + (i * 7919) % 10007) AS many, (i * 31) % 101 + ln(i) AS y FROM generate_series(1, 20000) i;
SELECT version FROM medallion.train('registry_few', source => 'registry_stored', target => 'y', algorithm => 'linear', features => '{few,fifty}');
SELECT version FROM medallion.train('registry_many', source => 'registry_stored', target => 'y', algorithm => 'linear', features => '{many}');
SELECT m.name, pg_column_compression(b.content) IS NOT NULL AS compressed, pg_column_size(b.content) < octet_length(b.content) * 0.8 AS smaller
FROM medallion._model_blobs b JOIN medallion._model_versions v USING (version_id) JOIN medallion._models m USING (model_id)
WHERE m.name IN ('registry_few', 'registry_many') AND b.kind = 'baseline' ORDER BY 1;
SELECT round(medallion.predict('registry_few', s)::numeric, 6) AS predicted FROM registry_stored s WHERE few = 3 AND fifty = 3 LIMIT 1;

CREATE FUNCTION pg_temp.train_and_count() RETURNS TABLE (versions bigint, coefficients bigint, attributes bigint, audited bigint) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM medallion.train('registry_same', source => 'registry_stored', target => NULL, algorithm => 'pca', exclude => '{y}');
	PERFORM medallion.train('registry_many', source => 'registry_stored', target => 'y', algorithm => 'linear', features => '{many}');
	RETURN QUERY SELECT (SELECT count(*) FROM medallion.model_versions WHERE model IN ('registry_same', 'registry_many')),
		(SELECT count(*) FROM medallion.coefficients WHERE model = 'registry_many'),
		(SELECT count(*) FROM medallion.model_attributes WHERE model = 'registry_same' AND attribute = 'components'),
		(SELECT count(*) FROM medallion.audit WHERE model IN ('registry_same', 'registry_many') AND action = 'train');
END $$;
SELECT * FROM pg_temp.train_and_count();
SELECT * FROM pg_temp.train_and_count();
-- A rolled back version leaves nothing.
BEGIN;
SELECT versions FROM pg_temp.train_and_count();
ROLLBACK;
SELECT count(*) AS without_version FROM medallion._model_blobs b LEFT JOIN medallion._model_versions v USING (version_id) WHERE v.version_id IS NULL;
SELECT count(*) AS versions FROM medallion.model_versions WHERE model IN ('registry_same', 'registry_many');
BEGIN READ ONLY;
SELECT version FROM medallion.train('registry_many', source => 'registry_stored', target => 'y', algorithm => 'linear', features => '{many}');
ROLLBACK;
SELECT medallion.drop_model(m) FROM unnest('{registry_few,registry_many,registry_same}'::text[]) m;
DELETE FROM medallion._audit WHERE model IN ('registry_few', 'registry_many', 'registry_same');
DROP TABLE registry_stored;
