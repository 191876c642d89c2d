# The registry is dumped with the database and restored into another: models predict, aliases roll back, rights hold, and
# new versions get new numbers.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('registry');
$node->init;
$node->start;
my $models = 'test/golden/predict_models.txt';
my %bytes = map { /^(\S+) (\S+)$/ ? ($1 => $2) : () } split /\n/, slurp_file($models);

$node->safe_psql('postgres', qq{
	CREATE EXTENSION medallion;
	CREATE ROLE scientist; CREATE ROLE analyst;
	INSERT INTO medallion._models (name, task, owner, next_version) VALUES ('late', 'binary', 'scientist', 4);
	INSERT INTO medallion._model_versions (model_id, version, algorithm, task, params, metrics, signature, data_commits, seed,
		rows, seconds, library_version, owner)
	SELECT model_id, v, 'planted', 'binary', '{}', '{}', '{}', '{}', 0, 0, 0, '0.1', owner FROM medallion._models, generate_series(1, 3) v;
	INSERT INTO medallion._model_blobs SELECT version_id, 'artifact', 0, '\\x$bytes{binary}' FROM medallion._model_versions;
	INSERT INTO medallion._model_blobs SELECT version_id, 'baseline', 0, repeat('b', 100000)::bytea FROM medallion._model_versions;
	SET ROLE scientist;
	SELECT medallion.set_alias('late', 'champion', 1);
	SELECT medallion.set_alias('late', 'champion', 3);
	SELECT medallion.grant_model('late', 'predict', 'analyst');
	RESET ROLE;
	INSERT INTO medallion._sweeps (model, owner, state, source, target, algorithm, space, strategy, cv, workers, seed, options, settings)
	SELECT 'late', 'scientist', state, 'gold.t', 'y', 'ridge', '{}', 'grid', 5, 1, 0, '{}', '{}' FROM unnest('{done,running,cancelled}'::text[]) state;
	INSERT INTO medallion._trials (sweep_id, trial, params) SELECT sweep_id, 1, '{}' FROM medallion._sweeps});
my $scored = q{SELECT medallion.predict('late', q) FROM (SELECT 1 AS dist, 'UA' AS carrier, true AS night) q};
my $views = q{SELECT (SELECT jsonb_agg(v ORDER BY v::text) FROM medallion.model_versions v), (SELECT jsonb_agg(a ORDER BY a::text) FROM medallion.aliases a),
	(SELECT jsonb_agg(h ORDER BY h::text) FROM medallion.alias_history h), (SELECT jsonb_agg(g ORDER BY g::text) FROM medallion.model_grants g),
	(SELECT jsonb_agg(u ORDER BY u::text) FROM medallion.audit u), (SELECT md5(string_agg(content::text, '' ORDER BY version_id, kind)) FROM medallion._model_blobs)};
my $before = $node->safe_psql('postgres', $views);
my $value = $node->safe_psql('postgres', $scored);

foreach my $format ('plain', 'custom')
{
	my $file = "$PostgreSQL::Test::Utils::tmp_check/$format.dump";
	my $copy = "copy_$format";
	$node->command_ok([ 'pg_dump', '-F', $format, '-f', $file, 'postgres' ], "$format: dumped");
	$node->safe_psql('postgres', "CREATE DATABASE $copy");
	$node->command_ok($format eq 'plain' ? [ 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-d', $copy, '-f', $file ]
		: [ 'pg_restore', '-e', '-d', $copy, $file ], "$format: restored");
	is($node->safe_psql($copy, $views), $before, "$format: the same models, aliases, history, rights, audit and bytes");
	is($node->safe_psql($copy, "SELECT string_agg(state || (SELECT count(*) FROM medallion.trials t WHERE t.sweep_id = s.sweep_id), ' ' ORDER BY sweep_id) FROM medallion.sweeps s"),
		'done1 cancelled1', "$format: sweeps that have ended, with their trials, and none that would start again");
	is($node->safe_psql($copy, "SELECT nextval('medallion._sweeps_sweep_id_seq')"), '4', "$format: and new ids");
	is($node->safe_psql($copy, "SET ROLE analyst; $scored"), $value, "$format: predicts the same, for the one who may");
	is($node->safe_psql($copy, "SET ROLE scientist; SELECT version FROM medallion.rollback('late')"), '1', "$format: rolls back");
	is($node->safe_psql($copy, q{
		INSERT INTO medallion._model_versions (model_id, version, algorithm, task, params, metrics, signature, data_commits, seed,
			rows, seconds, library_version, owner)
		SELECT model_id, next_version, 'planted', 'binary', '{}', '{}', '{}', '{}', 0, 0, 0, '0.1', owner FROM medallion._models
		RETURNING version_id}), '4', "$format: ids go on where they were");
}
$node->safe_psql('postgres', 'DROP EXTENSION medallion CASCADE');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_class WHERE relnamespace = 'medallion'::regnamespace}), '0',
	'dropping the extension takes the registry');
done_testing();
