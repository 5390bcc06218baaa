# Large things in MongoDB: the largest document that there can be, many rows,
# many fields, long names.  make soak runs it with large sizes.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Switchyard;

my $soak = $ENV{SY_SOAK};
my $rows = $soak ? 1_000_000 : 50_000;
my $fields = $soak ? 1000 : 300;
my $long = 'n' x 63;
# A replica set's log would need more of the test server's small cache.
my $mongo = Switchyard::Mongod->new(standalone => 1);
my $size = $mongo->eval(qq{
import bson
limit = 16 * 1024 * 1024
for number, filler in ((1, "x"), (2, b"\\0")):
    document = {"_id": number, "v": filler}
    room = limit - len(bson.encode(document)) + 1
    document["v"] = filler * room
    assert len(bson.encode(document)) == limit
    db.large.insert_one(document)
for i in range(4):
    db.beside.insert_one({"_id": i, "v": "x" * (limit // 3)})
print(room)
for start in range(0, $rows, 50000):
    batch = []
    for i in range(start, start + 50000):
        batch.append({"_id": i, "n": i % 1000, "s": "row %d" % i})
    db.many.insert_many(batch)
db.wide.insert_one({"c%d" % i: i for i in range(1, $fields + 1)})
db["$long"].insert_one({"_id": 1, "$long": 7})
});
my $node = new_node('main');
$node->safe_psql('postgres', $mongo->server_sql('hot') . qq{
	CREATE FOREIGN TABLE texts (_id bigint, v text) SERVER hot OPTIONS (collection 'large');
	CREATE FOREIGN TABLE bytes (_id bigint, v bytea) SERVER hot OPTIONS (collection 'large');
	CREATE FOREIGN TABLE documents (_id bigint, d jsonb OPTIONS (path '.')) SERVER hot OPTIONS (collection 'large');
	CREATE FOREIGN TABLE beside (_id bigint, v text) SERVER hot;
	CREATE FOREIGN TABLE many (_id bigint, n bigint, s text) SERVER hot;
	IMPORT FOREIGN SCHEMA test LIMIT TO (wide, $long) FROM SERVER hot INTO public});

# The largest document.
is($node->safe_psql('postgres', q{SELECT length(v), v = repeat('x', length(v)) FROM texts WHERE _id = 1}), "$size|t", 'a text fills a document of 16 MiB');
is($node->safe_psql('postgres', q{SELECT length(v), v = decode(repeat('00', length(v)), 'hex') FROM bytes WHERE _id = 2}), "$size|t", 'so does binary data');
is($node->safe_psql('postgres', q{SELECT length(d ->> 'v'), d -> '_id' FROM documents WHERE _id = 1}), "$size|1", 'and is read as jsonb');
is($node->safe_psql('postgres', q{SELECT string_agg(length(v)::text, ' ' ORDER BY _id) FROM beside}), join(' ', (int(16 * 1024 * 1024 / 3)) x 4),
	'several large ones, in batches of their own');

# Many rows.
is($node->safe_psql('postgres', 'SELECT count(s), sum(n), max(_id), count(DISTINCT s) FROM many'),
	join('|', $rows, $rows / 1000 * 499_500, $rows - 1, $rows), "$rows rows");

# Many fields, long names.
is($node->safe_psql('postgres', "SELECT c1, c$fields, (SELECT sum(value::bigint) FROM jsonb_each_text(to_jsonb(w) - '_id')) FROM wide w"),
	join('|', 1, $fields, $fields * ($fields + 1) / 2), "$fields fields");
is($node->safe_psql('postgres', "SELECT $long FROM $long WHERE $long = 7"), '7', 'names of 63 bytes');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
