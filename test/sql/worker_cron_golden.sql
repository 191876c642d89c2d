-- Times of the clock against test/golden/cron.py, which finds them by trying minutes: 1,000 schedules in 16 time zones, most of them
-- near a change of the clocks (also by half an hour, and over a whole day).
\getenv abs_srcdir PG_ABS_SRCDIR
\set cron_file :abs_srcdir '/golden/cron.csv'
CREATE TEMP TABLE golden (schedule text, zone text, after timestamptz, next timestamptz);
COPY golden FROM :'cron_file' (FORMAT csv);
SELECT count(*) AS cases, count(DISTINCT zone) AS zones,
	count(*) FILTER (WHERE medallion.next_run(schedule, zone, after) = next) AS same FROM golden;
SET timezone = 'UTC';
SELECT schedule, zone, after, next, medallion.next_run(schedule, zone, after) AS ours FROM golden
WHERE medallion.next_run(schedule, zone, after) <> next ORDER BY 1, 2, 3 LIMIT 10;
