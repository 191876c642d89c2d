-- NIST's ill-conditioned linear least squares problems (test/golden/train_nist.py): at least as many right digits as R's lm.
\getenv abs_srcdir PG_ABS_SRCDIR
\set longley_file :abs_srcdir '/golden/train_longley.csv'
\set wampler_file :abs_srcdir '/golden/train_wampler.csv'
\set filip_file :abs_srcdir '/golden/train_filip.csv'
\set nist_file :abs_srcdir '/golden/train_nist.csv'
\set digits_file :abs_srcdir '/golden/train_nist_digits.csv'
CREATE SCHEMA train_nist;
SET search_path = train_nist;
CREATE TABLE longley (employed float8, deflator float8, gnp float8, unemployed float8, armed_forces float8, population float8, year float8);
COPY longley FROM :'longley_file' (FORMAT csv, HEADER);
CREATE TABLE wampler (x float8, y1 float8, y2 float8, y3 float8, y4 float8, y5 float8);
COPY wampler FROM :'wampler_file' (FORMAT csv, HEADER);
CREATE TABLE filip (x float8, y float8);
COPY filip FROM :'filip_file' (FORMAT csv, HEADER);
CREATE TABLE nist (fit text, feature text, estimate float8, std_error float8);
COPY nist FROM :'nist_file' (FORMAT csv, HEADER);
CREATE TABLE digits (fit text, estimate float8, std_error float8);
COPY digits FROM :'digits_file' (FORMAT csv, HEADER);
CREATE TABLE fits (fit text, version int, metrics jsonb);
INSERT INTO fits SELECT 'longley', t.version, t.metrics FROM medallion.train('nist', 'train_nist.longley', 'employed', 'linear') t;
INSERT INTO fits SELECT 'wampler' || k, t.version, t.metrics
FROM generate_series(1, 5) k, medallion.train('nist',
	format('SELECT y%s AS y, x AS x1, power(x, 2) AS x2, power(x, 3) AS x3, power(x, 4) AS x4, power(x, 5) AS x5 FROM train_nist.wampler', k),
	'y', 'linear') t;
INSERT INTO fits SELECT 'filip', t.version, t.metrics FROM medallion.train('nist',
	'SELECT y, x AS x1, power(x, 2) AS x2, power(x, 3) AS x3, power(x, 4) AS x4, power(x, 5) AS x5, power(x, 6) AS x6,
		power(x, 7) AS x7, power(x, 8) AS x8, power(x, 9) AS x9, power(x, 10) AS x10 FROM train_nist.filip', 'y', 'linear') t;
-- Right digits: the least over the coefficients, at most 15.
CREATE TABLE ours AS
SELECT n.fit, min(least(15, -log(greatest(abs(c.estimate - n.estimate) / abs(n.estimate), 1e-15)::numeric)::float8)) AS estimate,
	min(least(15, -log(greatest(CASE WHEN n.std_error = 0 THEN abs(c.std_error) ELSE abs(c.std_error - n.std_error) / n.std_error END,
		1e-15)::numeric)::float8)) AS std_error, count(*)
FROM nist n JOIN fits f USING (fit)
JOIN medallion.coefficients c ON c.model = 'nist' AND c.version = f.version AND c.feature = n.feature
GROUP BY n.fit;
SELECT o.fit, o.count, o.estimate >= d.estimate AS estimate_as_r, o.std_error >= d.std_error AS std_error_as_r,
	floor(d.estimate) AS digits_of_r
FROM ours o JOIN digits d USING (fit) ORDER BY o.fit COLLATE "C";
SET client_min_messages = warning;
SELECT medallion.drop_model('nist');
DROP SCHEMA train_nist CASCADE;
