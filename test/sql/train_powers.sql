-- A power transformation of numbers far from 0 for their spread keeps them apart: no power is chosen by the noise of rounding.
CREATE SCHEMA powers_test;
SET search_path = powers_test;
SET client_min_messages = warning;
CREATE TABLE far AS SELECT 1000 + ((i * 7919) % 101 - 50) / 8.0 AS thousand, 1e9 + (i * i) % 101 AS billion, (i * 37) % 11 AS y FROM generate_series(1, 60) i;
SELECT version FROM medallion.train('powers_box', 'far', 'y', 'ridge', preprocess => '{"transform": "box_cox"}', deploy => 'always');
SELECT version FROM medallion.train('powers_yeo', 'far', 'y', 'ridge', preprocess => '{"transform": "yeo_johnson"}', deploy => 'always');
SELECT max(b[1]) - min(b[1]) > 1e-10 * max(abs(b[1])) AS box_thousand, max(b[2]) - min(b[2]) > 1e-10 * max(abs(b[2])) AS box_billion,
	max(j[1]) - min(j[1]) > 1e-10 * max(abs(j[1])) AS yeo_thousand, max(j[2]) - min(j[2]) > 1e-10 * max(abs(j[2])) AS yeo_billion,
	count(DISTINCT b[2]) = count(DISTINCT billion) AS apart
FROM far, medallion.design_row('powers_box', far) b, medallion.design_row('powers_yeo', far) j;
SELECT medallion.drop_model('powers_box', force => true), medallion.drop_model('powers_yeo', force => true);
RESET search_path;
DROP SCHEMA powers_test CASCADE;
RESET client_min_messages;
