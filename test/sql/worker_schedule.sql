-- Times of the clock, as cron has them: medallion.next_run, and jobs that run by them.
\pset null (null)
SET timezone = 'UTC';
CREATE FUNCTION pg_temp.runs(schedule text, zone text, after timestamptz, n int) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. n LOOP
		after := medallion.next_run(schedule, zone, after);
		RETURN NEXT to_char(after AT TIME ZONE zone, 'Dy YYYY-MM-DD HH24:MI') || ' = ' || to_char(after, 'DD HH24:MI') || ' UTC';
	END LOOP;
END $$;

-- Fields: numbers, lists, ranges, steps, names, nicknames.
SELECT pg_temp.runs('15-45/15 9,17 * * mon-fri', 'UTC', '2026-01-02 17:20', 5);
SELECT pg_temp.runs('*/20 * * * *', 'UTC', '2026-01-01 23:39:59.999', 3);
SELECT pg_temp.runs(' 0   12 * JAN,Dec 7 ', 'UTC', '2026-01-20', 3);
SELECT pg_temp.runs('0 0 * * fri-sun', 'UTC', '2026-01-01', 4);
SELECT pg_temp.runs('0 0 * * 5-7', 'UTC', '2026-01-01', 4);
SELECT pg_temp.runs('0 0 29 2 *', 'UTC', '2026-01-01', 2);
SELECT pg_temp.runs('0 0 31 */2 *', 'UTC', '2026-01-01', 5);
SELECT n, pg_temp.runs(n, 'Asia/Kolkata', '2026-01-02', 1) FROM unnest('{@hourly,@daily,@midnight,@weekly,@monthly,@yearly,@annually,@Daily}'::text[]) n;
-- Both day fields restricted: either of them; one of them begins with *: both.
SELECT pg_temp.runs('0 0 13 * fri', 'UTC', '2026-01-03', 4);
SELECT pg_temp.runs('0 0 */2 * fri', 'UTC', '2026-01-03', 3);

-- Clocks put forward (Berlin, 29 March 2026, from 2 to 3): what the clock skips runs at that moment, once ...
SELECT pg_temp.runs('30 2 * * *', 'Europe/Berlin', '2026-03-27 12:00', 4);
SELECT pg_temp.runs('0,30 2 * * *', 'Europe/Berlin', '2026-03-28 12:00', 3);
-- ... and a schedule that follows the clock leaves it out.
SELECT pg_temp.runs('*/30 2 * * *', 'Europe/Berlin', '2026-03-28 12:00', 2);
SELECT pg_temp.runs('0 * * * *', 'Europe/Berlin', '2026-03-29 00:00', 3);
-- Put back (25 October, from 3 to 2): what the clock shows twice runs the first time; what follows the clock, both times.
SELECT pg_temp.runs('30 2 * * *', 'Europe/Berlin', '2026-10-24 12:00', 2);
SELECT pg_temp.runs('30 * * * *', 'Europe/Berlin', '2026-10-25 00:00', 4);
-- By half an hour, south of the equator.
SELECT pg_temp.runs('15 2 * * *', 'Australia/Lord_Howe', '2026-10-03 00:00', 2);
SELECT pg_temp.runs('45 1 * * *', 'Australia/Lord_Howe', '2026-04-04 00:00', 2);
-- A zone whose midnight is skipped.
SELECT pg_temp.runs('0 0 * * *', 'Africa/Cairo', '2026-04-23 00:00', 2);
-- The zone of the session, and now.
SET timezone = 'Asia/Tokyo';
SELECT medallion.next_run('0 9 1 1 *', after => '2026-05-05 00:00+09') AT TIME ZONE 'UTC' AS utc;
SELECT medallion.next_run('* * * * *') - now() BETWEEN '0' AND '1 min' AS within_a_minute;
SET timezone = 'UTC';

-- Mistakes.
SELECT medallion.next_run('0 0 30 2 *');
SELECT medallion.next_run('60 * * * *');
SELECT medallion.next_run('* 24 * * *');
SELECT medallion.next_run('* * 0 * *');
SELECT medallion.next_run('* * * 13 *');
SELECT medallion.next_run('* * * * 8');
SELECT medallion.next_run('* * * *');
SELECT medallion.next_run('* * * * * *');
SELECT medallion.next_run('5/10 * * * *');
SELECT medallion.next_run('*/0 * * * *');
SELECT medallion.next_run('* 5-3 * * *');
SELECT medallion.next_run('1,,2 * * * *');
SELECT medallion.next_run('99999999999 * * * *');
SELECT medallion.next_run('-1 * * * *');
SELECT medallion.next_run('* * * juni *');
SELECT medallion.next_run('* * * * montag');
SELECT medallion.next_run('@reboot');
SELECT medallion.next_run('');
SELECT medallion.next_run(NULL);
SELECT medallion.next_run('@daily', 'Mars/Olympus');
SELECT medallion.next_run('@daily', 'UTC', 'infinity');
SELECT medallion.next_run('@daily', 'UTC', '1960-01-01');

-- Jobs by schedule.
SELECT medallion.create_job('nightly', 'SELECT 1', schedule => '30 3 * * *', time_zone => 'Europe/Berlin') AS nightly \gset
SELECT name, every, schedule, time_zone, state, next_run = medallion.next_run('30 3 * * *', 'Europe/Berlin') AS planned
FROM medallion.jobs WHERE name = 'nightly';
SELECT medallion.pause_job(:nightly), medallion.resume_job(:nightly);
SELECT state, next_run = medallion.next_run('30 3 * * *', 'Europe/Berlin') AS planned FROM medallion.jobs WHERE name = 'nightly';
SELECT medallion.create_job('no', 'SELECT 1', '1 hour', schedule => '@daily');
SELECT medallion.create_job('no', 'SELECT 1', time_zone => 'UTC');
SELECT medallion.create_job('no', 'SELECT 1', schedule => 'often');
SELECT medallion.create_job('no', 'SELECT 1', schedule => '@daily', time_zone => 'nowhere');
SELECT medallion.drop_job(:nightly);
