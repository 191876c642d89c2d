# Changes read from real replication slots of the server, applied, and compared with the table they came from: inserts, updates
# that leave TOASTed values out of the log, changed and swapped keys, deletes, truncates, savepoints and rollbacks, a column
# that comes mid-stream; a snapshot of what was there before; arriving out of order and twice.  wal2json as it is (where it is
# installed), and test_decoding turned into events as Debezium writes them.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use MIME::Base64;

my $rounds = 8;
srand(20261124);
my $node = PostgreSQL::Test::Cluster->new('slot');
$node->init(allows_streaming => 'logical');
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;
my $has_wal2json = -e $node->config_data('--pkglibdir') . '/wal2json.so';
sub origin { return $node->safe_psql('origin', $_[0]) }
sub lake { return $node->safe_psql('postgres', $_[0]) }
note('wal2json: ', $node->config_data('--pkglibdir'), ' ', -e $node->config_data('--pkglibdir') . '/wal2json.so' ? 'there' : "not there: $!");
my $columns = 'id, name, body, tags, amount, at, doc, photo';
my $table = 'items (id int PRIMARY KEY, name text, body text, tags text[], amount numeric(10,2), at timestamptz, doc jsonb, photo bytea)';
lake('CREATE EXTENSION medallion');
lake('CREATE DATABASE origin');
origin('CREATE SCHEMA shop');
origin("CREATE TABLE shop.$table");
origin(q{
	ALTER TABLE shop.items ALTER body SET STORAGE EXTERNAL, ALTER tags SET STORAGE EXTERNAL, ALTER photo SET STORAGE EXTERNAL;
	CREATE TABLE shop.others (id int PRIMARY KEY, what text);
	CREATE FUNCTION shop.long(n int) RETURNS text LANGUAGE sql RETURN (SELECT string_agg(md5((n * 1000 + i)::text), '') FROM generate_series(1, 100) i);
	INSERT INTO shop.items SELECT i, 'n' || i, shop.long(i), ARRAY['x', shop.long(i)], i / 3.0, '2026-01-01'::timestamptz + i * interval '1.5 s',
		jsonb_build_object('i', i), decode(md5(i::text), 'hex') FROM generate_series(1, 40) i;
	SELECT pg_create_logical_replication_slot('text', 'test_decoding')});
if ($has_wal2json)
{
	# Later minor versions want to be told which plugins are to be trusted.
	my $trusted = $node->safe_psql('postgres', q{SELECT setting FROM pg_settings WHERE name = 'output_plugin_libraries'});
	if ($trusted ne '')
	{
		$node->append_conf('postgresql.conf', "output_plugin_libraries = '$trusted, wal2json'");
		$node->reload;
		$node->poll_query_until('postgres', q{SELECT current_setting('output_plugin_libraries') LIKE '%wal2json'});
	}
	origin(q{SELECT pg_create_logical_replication_slot('json', 'wal2json')});
}
my $start = lake(q{SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots WHERE slot_name = 'text'});
my $start_lsn = lake(q{SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'text'});

# Bronze and the tables that follow; the columns are as at the source.
lake("CREATE TABLE $table");
lake(qq{
	CREATE TABLE bronze.debezium (n bigserial PRIMARY KEY, payload jsonb);
	CREATE TABLE bronze.wal2json (n bigserial PRIMARY KEY, payload jsonb);
	SELECT medallion.enable_versioning('bronze.debezium'), medallion.enable_versioning('bronze.wal2json');
	CREATE TABLE silver.d1 (LIKE items INCLUDING INDEXES);
	CREATE TABLE silver.w1 (LIKE items INCLUDING INDEXES);
	CREATE TABLE silver.d2 (LIKE items, "__START_AT" bigint, "__END_AT" bigint, PRIMARY KEY (id, "__START_AT"));
	CREATE TABLE silver.w2 (LIKE items, "__START_AT" pg_lsn, "__END_AT" pg_lsn, PRIMARY KEY (id, "__START_AT"))});
my $debezium = q{format => 'debezium', source_table => 'shop.items', on_schema_change => 'append_columns', decoding => '{"decimal_handling_mode": "string"}'};
my $wal2json = q{format => 'wal2json', source_table => 'shop.items', on_schema_change => 'append_columns'};
my @flows = (['d1', 'debezium', $debezium], ['d2', 'debezium', "$debezium, scd_type => 2"]);
push @flows, ['w1', 'wal2json', $wal2json], ['w2', 'wal2json', "$wal2json, scd_type => 2"] if $has_wal2json;
lake("SELECT medallion.apply_changes('silver.$_->[0]', 'bronze.$_->[1]', '{id}', $_->[2])") for @flows;

# Events go to bronze in disorder, some of them twice.
sub arrive
{
	my ($table, @events) = @_;
	push @events, grep { rand() < 0.2 } @events;
	my @values = map { my $event = $_; $event =~ s/'/''/g; [ rand, "('$event')" ] } @events;
	lake("INSERT INTO bronze.$table (payload) VALUES " . join(', ', map { $_->[1] } sort { $a->[0] <=> $b->[0] } @values)) if @values;
}

sub lines { return grep { $_ ne '' } split /\x1e\n?/, $_[0] }

# The snapshot, as events of both kinds; it is read after the slots were made and nothing was written in between.
arrive('debezium', lines(origin(qq{
	SELECT jsonb_build_object('op', 'r', 'before', NULL, 'after', to_jsonb(i) || jsonb_build_object('amount', amount::text, 'photo', encode(photo, 'base64'),
		'doc', doc::text), 'source', jsonb_build_object('schema', 'shop', 'table', 'items', 'lsn', $start, 'snapshot', 'true'))::text || E'\x1e' FROM shop.items i})));
arrive('wal2json', lines(origin(qq{
	SELECT jsonb_build_object('action', 'I', 'schema', 'shop', 'table', 'items', 'lsn', '$start_lsn', 'columns',
		(SELECT jsonb_agg(jsonb_build_object('name', key, 'type', 'text', 'value', CASE key WHEN 'photo' THEN to_jsonb(encode(photo, 'hex')) WHEN 'doc' THEN to_jsonb(doc::text) ELSE value END))
		FROM jsonb_each(to_jsonb(i))))::text || E'\x1e' FROM shop.items i})));

# A line of test_decoding as an event of Debezium's.
sub json_string { my ($text) = @_; $text =~ s/(["\\])/\\$1/g; $text =~ s/\n/\\n/g; return "\"$text\"" }

sub tuple
{
	my ($text) = @_;
	my @members;
	while ($text =~ /\G\s*("(?:[^"]|"")+"|[^\s\[]+)\[((?:[^\[\]]|\[\])*)\]:('(?:[^']|'')*'|\S+)/gc)
	{
		my ($name, $type, $value) = ($1, $2, $3);
		if ($value eq 'unchanged-toast-datum')
		{
			$value = $type eq 'bytea' ? 'X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==' : '__debezium_unavailable_value';
			$value = $type =~ /\[\]$/ ? "[\"$value\"]" : "\"$value\"";
		}
		elsif ($value =~ s/^'(.*)'$/$1/s)
		{
			$value =~ s/''/'/g;
			$value = $type eq 'bytea' ? '"' . encode_base64(pack('H*', substr($value, 2)), '') . '"' : json_string($value);
		}
		elsif ($type =~ /^numeric/ && $value ne 'null') { $value = "\"$value\"" }
		push @members, json_string($name) . ": $value";
	}
	return '{' . join(', ', @members) . '}';
}

sub debezium_event
{
	my ($lsn, $line) = @_;
	my ($schema, $table, $what, $rest) = $line =~ /^table ([^.]+)\.(\w+): (\w+):(.*)$/s or return;
	my $source = "\"source\": {\"schema\": \"$schema\", \"table\": \"$table\", \"lsn\": $lsn}";
	return "{\"op\": \"t\", \"before\": null, \"after\": null, $source}" if $what eq 'TRUNCATE';
	return "{\"op\": \"d\", \"before\": " . tuple($rest) . ", \"after\": null, $source}" if $what eq 'DELETE';
	return "{\"op\": \"c\", \"before\": null, \"after\": " . tuple($rest) . ", $source}" if $what eq 'INSERT';
	my $before = $rest =~ s/^ old-key:(.*?) new-tuple:// ? tuple($1) : 'null';
	return "{\"op\": \"u\", \"before\": $before, \"after\": " . tuple($rest) . ", $source}";
}

# Writes to the source at random.
my $next = 100;
my $has_note = 0;
sub write_something
{
	my $dice = rand;
	my $some = '(SELECT id FROM shop.items ORDER BY random() LIMIT ' . (1 + int rand 4) . ')';
	return "INSERT INTO shop.others VALUES ($next, 'x') ON CONFLICT DO NOTHING" if $dice < 0.05;
	if ($dice < 0.3)
	{
		my $from = $next;
		$next += 1 + int rand 5;
		return "INSERT INTO shop.items ($columns) SELECT i, 'new ''quoted'' \"' || i || E'\\n', shop.long(i), CASE WHEN i % 3 > 0 THEN ARRAY['t', NULL, shop.long(i)] END, i * 1.01,"
		  . " now(), '[1, {\"a\": null}]', decode(repeat(md5(i::text), 150), 'hex') FROM generate_series($from, $next - 1) i";
	}
	return "UPDATE shop.items SET name = 'u' || (random() * 1000)::int, amount = amount + 0.5 WHERE id IN $some" if $dice < 0.6;
	return "UPDATE shop.items SET body = shop.long(id + 7), tags = NULL, photo = NULL, doc = 'null' WHERE id IN $some" if $dice < 0.7;
	return "UPDATE shop.items SET id = id + 10000, body = body || '', tags = NULL, photo = photo || '' WHERE id IN $some AND id < 10000" if $dice < 0.76;
	return "DELETE FROM shop.items WHERE id IN $some" if $dice < 0.9;
	return $has_note ? "UPDATE shop.items SET note = 'r' || (random() * 9)::int WHERE id IN $some" : 'SELECT 1';
}

sub compare
{
	my ($round) = @_;
	my $query = "SELECT count(*), md5(string_agg(r::text, ',' ORDER BY id)) FROM (SELECT $columns" . ($has_note ? ', note' : '') . ' FROM ';
	my $there = origin("${query}shop.items) r");
	for my $flow (@flows)
	{
		my ($table, $where) = ($flow->[0], $flow->[0] =~ /2$/ ? ' WHERE "__END_AT" IS NULL' : '');
		is(lake("${query}silver.$table$where) r"), $there, "round $round: silver.$table is shop.items");
	}
}

for my $round (1 .. $rounds)
{
	my $script = '';
	if ($round == 4) { $script .= "ALTER TABLE shop.items ADD COLUMN note text;\n"; $has_note = 1 }
	$script .= "TRUNCATE shop.items;\n" if $round == 6;
	for (1 .. 12)
	{
		$script .= "BEGIN;\n" . join('', map { write_something() . ";\n" } 1 .. 1 + int rand 4);
		$script .= "SAVEPOINT s;\n" . write_something() . ";\nROLLBACK TO s;\n" if rand() < 0.3;
		$script .= rand() < 0.15 ? "ROLLBACK;\n" : "COMMIT;\n";
	}
	origin($script);
	arrive('debezium', grep { defined } map { /^(\d+) (.*)$/s ? debezium_event($1, $2) : undef }
		  lines(origin(q{SELECT (lsn - '0/0') || ' ' || data || E'\x1e' FROM pg_logical_slot_get_changes('text', NULL, NULL)})));
	arrive('wal2json', lines(origin(q{SELECT data || E'\x1e' FROM pg_logical_slot_get_changes('json', NULL, NULL, 'format-version', '2', 'include-lsn', '1')}))) if $has_wal2json;
	lake("SELECT medallion.apply_changes('silver.$_->[0]')") for @flows;
	compare($round);
}
is(lake('SELECT sum(unresolved) FROM medallion.flow_runs'), '0', 'no value is left open');
my $runs = lake(q{SELECT sum(events), sum(inserted) + sum(updated) + sum(deleted), bool_and(mode = 'incremental' OR reason IN ('first application')) FROM medallion.flow_runs});
like($runs, qr/\|t$/, "only what was new was read ($runs)");

# Each version of type 2 begins where the one before ends or later, and one of a key is open at most.
is(lake(q{SELECT count(*) FROM (SELECT "__START_AT" >= lead("__START_AT") OVER w OR "__END_AT" > lead("__START_AT") OVER w OR
	"__END_AT" IS NULL AND lead("__START_AT") OVER w IS NOT NULL AS wrong FROM silver.d2 WINDOW w AS (PARTITION BY id ORDER BY "__START_AT")) v WHERE wrong}), '0', 'versions do not overlap');
is(lake(q{SELECT count(*) FROM (SELECT id, name, amount, "__START_AT" - '0/0' FROM silver.w2 EXCEPT SELECT id, name, amount, "__START_AT" FROM silver.d2) d}), '0',
	'both decodings give the same versions') if $has_wal2json;
$node->stop;
done_testing();
