# Events that somebody has bent: members taken away, moved, replaced by others and by odd values, schemas that do not fit.  Each is
# applied, skipped or set aside with a reason; the server stays up, and reading all once more changes nothing.
# Knobs: MEDALLION_CDC_HOSTILE (6 rounds of 600 events), MEDALLION_CDC_SEED.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use JSON::PP;

my $rounds = $ENV{MEDALLION_CDC_HOSTILE} || 6;
srand($ENV{MEDALLION_CDC_SEED} || 20261125);
my $json = JSON::PP->new->allow_nonref->allow_bignum->canonical->max_depth(2000);

# The events of the other tests.
my @events;
for my $file ('debezium', 'values')
{
	my $text = slurp_file("test/sql/pipeline_cdc_$file.sql");
	while ($text =~ /'(\{(?:[^']|'')*\})'/g)
	{
		my $event = eval { $json->decode($1 =~ s/''/'/gr) };
		push @events, $json->encode($event) if ref $event eq 'HASH';
	}
}
cmp_ok(scalar(@events), '>', 60, 'there are events to bend');

my $deep = '{"type": "array", "items": ' x 200 . '{}' . '}' x 200;
my @odd = ('null', 'true', 'false', 0, -1, 1.5, '1e300', '9223372036854775807', '-9223372036854775808', '1' . '0' x 40, map({ "\"$_\"" } '', 'x', 'true', 'id', 'r', 't', 'd', 'm', 'I', 'U', 'D', 'T', '0/10',
	'__debezium_unavailable_value', 'X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==', 'AAAA', '////', '{', '{}', '[]', '1970-01-01', 'infinity', 'io.debezium.time.MicroTime',
	'org.apache.kafka.connect.data.Decimal', 'io.debezium.data.Bits', 'int64', 'array', 'bytes', 'x' x 100), '[]', '{}', '[[]]', '[[[1]]]', '{"scale": 5, "value": "AQ=="}', '{"scale": -5, "value": "gA=="}',
	'{"scale": 99999, "value": "AQ=="}', '{"x": 1, "y": 2}', '["__debezium_unavailable_value"]', '{"fields": []}', '{"fields": {}}', '{"fields": [1, null, {"field": "id"}]}', $deep);
my @names = ('id', 'op', 'after', 'before', 'source', 'schema', 'payload', 'lsn', 'name', 'type', 'fields', 'items', 'parameters', 'scale', 'value', 'x', '', 'ctid', '__START_AT');

# All places of a value: [container, key or index].
sub places
{
	my ($value) = @_;
	return map { ([ $value, $_ ], places($value->{$_})) } sort keys %$value if ref $value eq 'HASH';
	return map { ([ $value, $_ ], places($value->[$_])) } 0 .. $#$value if ref $value eq 'ARRAY';
	return ();
}

sub put { my ($place, $what) = @_; if (ref $place->[0] eq 'HASH') { $place->[0]{ $place->[1] } = $what } else { $place->[0][ $place->[1] ] = $what } }
sub odd { return $json->decode($odd[ rand @odd ]) }

sub bent
{
	my $event = $json->decode($events[ rand @events ]);
	for (1 .. (1, 1, 2, 3, 5)[ rand 5 ])
	{
		my @places = places($event) or last;
		my $place = $places[ rand @places ];
		my $dice = rand;
		if ($dice < 0.6) { put($place, odd()) }
		elsif ($dice < 0.8) { if (ref $place->[0] eq 'HASH') { delete $place->[0]{ $place->[1] } } else { splice @{ $place->[0] }, $place->[1], 1 } }
		elsif ($dice < 0.9 && ref $place->[0] eq 'HASH') { $place->[0]{ $names[ rand @names ] } = odd() }
		else { my $other = $places[ rand @places ]; put($place, $json->decode($json->encode(ref $other->[0] eq 'HASH' ? $other->[0]{ $other->[1] } : $other->[0][ $other->[1] ]))) }
	}
	return $json->encode($event);
}

my $node = PostgreSQL::Test::Cluster->new('hostile');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION medallion');
my $columns = 't text, b bytea, i int[], u uuid, us uuid[], j jsonb, x xml, hs text, d date, ts timestamp, ts3 timestamp(3), tz timestamptz, tm time, iv interval, m numeric(8,3), ms numeric[], p point,'
  . ' bits bit(4), ok bool, r real, r8 float8, vs text[][], e inet, name text, photo bytea, tags text[], price numeric(8,2)';
for my $round (1 .. $rounds)
{
	my $format = $round % 4 == 3 ? 'wal2json' : 'debezium';
	my $type = 1 + $round % 2;
	my $sequence = $format eq 'wal2json' ? 'pg_lsn' : 'bigint';
	my $versions = $type == 2 ? ", \"__START_AT\" $sequence, \"__END_AT\" $sequence, PRIMARY KEY (id, \"__START_AT\")" : ', PRIMARY KEY (id)';
	my $policy = ('append_columns', 'rescue')[ $round / 2 % 2 ];
	my $rows = join(",\n", map { my $event = bent(); $event =~ s/'/''/g; "('$event')" } 1 .. 600);
	$node->safe_psql('postgres', "CREATE TABLE bronze.e (n bigserial PRIMARY KEY, e jsonb);\nINSERT INTO bronze.e (e) VALUES $rows");
	$node->safe_psql('postgres', "CREATE TABLE silver.t (id int, $columns$versions)");
	my $first = $node->safe_psql('postgres', "SELECT events, skipped + quarantined < events, quarantined > 0 FROM medallion.apply_changes('silver.t', 'bronze.e', '{id}', format => '$format', scd_type => $type,"
		. " on_invalid => 'quarantine', on_schema_change => '$policy')");
	like($first, qr/^600\|[tf]\|t$/, "round $round ($format, type $type, $policy): applied, skipped or set aside");
	is($node->safe_psql('postgres', "SELECT inserted, updated, deleted FROM medallion.apply_changes('silver.t', again => true)"), '0|0|0', "round $round: once more changes nothing");
	is($node->safe_psql('postgres', "SELECT inserted, updated, deleted, quarantined = (SELECT count(*) FROM silver.t_quarantine) FROM medallion.retry_changes('silver.t')"), '0|0|0|t',
		"round $round: what was set aside stays so");
	$node->safe_psql('postgres', 'DROP TABLE silver.t, silver.t_quarantine, bronze.e');
}
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal|TRAP/, 'the server has had no crash');
$node->stop;
done_testing();
