-- Servers and arguments that will not do.
\getenv dir PG_ABS_SRCDIR
\set root :dir /data/lake
CREATE SERVER lake_bad FOREIGN DATA WRAPPER medallion_lake;
CREATE SERVER lake_bad FOREIGN DATA WRAPPER medallion_lake OPTIONS (type 'tape');
CREATE SERVER lake_bad FOREIGN DATA WRAPPER medallion_lake OPTIONS (type 'file');
CREATE SERVER lake_bad FOREIGN DATA WRAPPER medallion_lake OPTIONS (type 'file', root 'data');
CREATE SERVER lake_bad FOREIGN DATA WRAPPER medallion_lake OPTIONS (type 'file', root '/tmp', colour 'blue');
ALTER FOREIGN DATA WRAPPER medallion_lake OPTIONS (ADD colour 'blue');
CREATE SERVER lake_bad FOREIGN DATA WRAPPER medallion_lake OPTIONS (type 'file', root :'root');
CREATE USER MAPPING FOR CURRENT_USER SERVER lake_bad OPTIONS (password 'x');
CREATE FOREIGN TABLE lake_table (x int) SERVER lake_bad;
ALTER SERVER lake_bad OPTIONS (SET root 'data');
ALTER SERVER lake_bad OPTIONS (DROP root);

-- Naming directories of the server takes a superuser or a member of pg_read_server_files.
CREATE ROLE lake_role;
GRANT USAGE ON FOREIGN DATA WRAPPER medallion_lake TO lake_role;
SET ROLE lake_role;
CREATE SERVER lake_other FOREIGN DATA WRAPPER medallion_lake OPTIONS (type 'file', root '/tmp');
RESET ROLE;
CREATE SERVER lake_other FOREIGN DATA WRAPPER medallion_lake OPTIONS (type 'file', root '/nowhere');
ALTER SERVER lake_other OWNER TO lake_role;
SET ROLE lake_role;
ALTER SERVER lake_other OPTIONS (SET root '/etc');
SELECT * FROM medallion.ingest('bronze.x', 'lake_other', '*');
RESET ROLE;
REVOKE ALL ON FOREIGN DATA WRAPPER medallion_lake FROM lake_role;
GRANT pg_read_server_files TO lake_role;
SET ROLE lake_role;
ALTER SERVER lake_other OPTIONS (SET root '/tmp');
CREATE SERVER lake_third FOREIGN DATA WRAPPER medallion_lake OPTIONS (type 'file', root '/tmp');
DROP SERVER lake_third;
RESET ROLE;
DROP SERVER lake_other;
DROP ROLE lake_role;

-- Arguments.
SELECT medallion.ingest('bronze.x', 'nowhere', '*');
SELECT medallion.ingest(NULL, 'lake_bad', '*');
SELECT medallion.ingest('bronze.x', NULL, '*');
SELECT medallion.ingest('bronze.x', 'lake_bad', NULL);
SELECT medallion.ingest('bronze.x', 'lake_bad', '*', NULL);
SELECT medallion.ingest('bronze.x', 'lake_bad', '*', 'parquet');
SELECT medallion.ingest('bronze.x', 'lake_bad', '*', options => '[]');
SELECT medallion.ingest('bronze.x', 'lake_bad', '*', options => '{"delimeter": ";"}');
SELECT medallion.ingest('bronze.x', 'lake_bad', '*', options => '{"delimiter": "||"}');
SELECT medallion.ingest('bronze.x', 'lake_bad', '*', options => '{"delimiter": 1}');
SELECT medallion.ingest('bronze.x', 'lake_bad', '*', options => '{"delimiter": "\""}');
SELECT medallion.ingest('bronze.x', 'lake_bad', '*', options => '{"quote": "é"}');
SELECT medallion.ingest('bronze.x', 'lake_bad', '*', options => '{"header": "yes"}');
SELECT medallion.ingest('bronze.x', 'lake_bad', '*', options => '{"columns": ["a"]}');
SELECT medallion.ingest('bronze.x', 'lake_bad', '*', options => '{"columns": "a", "header": false}');
SELECT medallion.ingest('bronze.x', 'lake_bad', '*', options => '{"null": [1]}');
SELECT medallion.ingest('bronze.x', 'lake_bad', '*', options => '{"encoding": "EBCDIC"}');
SELECT medallion.ingest('bronze.x', 'lake_bad', '*', options => '{"schema_evolution": "merge"}');
SELECT medallion.ingest('bronze.x', 'lake_bad', '*', options => '{"on_change": "replace"}');
SELECT medallion.ingest('bronze.x', 'lake_bad', '*', options => '{"sample_rows": 0}');
SELECT medallion.ingest('bronze.x', 'lake_bad', '*', options => '{"sample_rows": 1.5}');
SELECT medallion.ingest('bronze.x', 'lake_bad', '*', options => '{"max_row_bytes": 1e12}');
SELECT medallion.ingest('bronze.x', 'lake_bad', '*', options => '{"types": ["a"]}');
SELECT medallion.ingest('bronze.x', 'lake_bad', 'csv/bom.csv', options => '{"types": {"idd": "int"}}');
SELECT medallion.ingest('bronze.x', 'lake_bad', 'csv/bom.csv', options => '{"types": {"id": "integr"}}');
SELECT medallion.ingest('bronze.x', 'lake_bad', 'csv/bom.csv', options => '{"types": {"id": "int); DROP TABLE x; --"}}');

-- Paths.
SELECT medallion.ingest('bronze.x', 'lake_bad', '');
SELECT medallion.ingest('bronze.x', 'lake_bad', '/etc/passwd');
SELECT medallion.ingest('bronze.x', 'lake_bad', '../data/lake/csv/bom.csv');
SELECT medallion.ingest('bronze.x', 'lake_bad', 'csv/../../*');
SELECT medallion.ingest('bronze.x', 'lake_bad', 'csv/none.csv');
SELECT medallion.ingest('bronze.x', 'lake_bad', 'csv');
SELECT medallion.ingest('bronze.x', 'lake_bad', 'none/*.csv');
SELECT medallion.ingest('bronze.x', 'lake_bad', 'none/*.csv', options => '{"allow_empty": true}');
SELECT to_regclass('bronze.x');
DROP SERVER lake_bad;
