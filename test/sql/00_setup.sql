-- The first test of the run: creates the extension for all that follow, which share this database.
SET client_min_messages = warning;
CREATE EXTENSION medallion;
RESET client_min_messages;
SELECT extname, extversion = medallion.version() AS library_matches FROM pg_extension WHERE extname = 'medallion';
-- The layers exist, and are not the extension's: dropping it must never take data along.
SELECT nspname,
       EXISTS (SELECT FROM pg_depend d
               WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid
                 AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e') AS is_member
FROM pg_namespace n
WHERE nspname IN ('bronze', 'silver', 'gold', 'medallion_history')
ORDER BY nspname COLLATE "C";
-- The two libraries with third parties open on demand.
SELECT medallion._ml_library(), medallion._lake_library();
