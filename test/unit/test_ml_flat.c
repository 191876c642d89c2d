/*
 * test_ml_flat.c: what lies in flat blocks: exact sums, sets of texts, bytes.
 */
#include "unit.h"
#include "alloc_fail.h"

#include "ml/ml_bytes.h"
#include "ml/ml_catset.h"
#include "ml/ml_dictionary.h"
#include "ml/ml_hash.h"
#include "ml/ml_sum.h"

static void
test_sum(void)
{
	static ml_sum sum,
				backwards,
				part;
	static double values[5000];
	const double cancelling[] = {1e308, 1, -1e308, 1e-300, 4.9e-324, -1, 1e308, -1e308};

	unit_near(ml_sum_value(&sum), 0, 0, 0, "the empty sum");
	for (int i = 0; i < 8; i++)
		ml_sum_add(&sum, cancelling[i]);
	unit_near(ml_sum_value(&sum), 1e-300 + 4.9e-324, 0, 0, "nothing is lost beside 1e308");
	memset(&sum, 0, sizeof(sum));
	srand(2);
	for (int i = 0; i < 5000; i++)
		values[i] = ldexp((double) rand() / RAND_MAX - 0.5, rand() % 200 - 100);
	for (int i = 0; i < 5000; i++)
	{
		ml_sum_add(&sum, values[i]);
		ml_sum_add(i % 3 ? &backwards : &part, values[4999 - i]);
	}
	ml_sum_merge(&backwards, &part);
	unit_ok(ml_sum_value(&sum) == ml_sum_value(&backwards), "the same bits in another order and in parts");
	for (int i = 0; i < 5000; i++)
		ml_sum_add(&sum, -values[i]);
	unit_near(ml_sum_value(&sum), 0, 0, 0, "what is taken away again leaves 0");
	memset(&sum, 0, sizeof(sum));
	for (int i = 0; i < 1000; i++)
		ml_sum_add(&sum, 0.1);
	unit_near(ml_sum_value(&sum), 100, 0, 1e-13, "a thousand tenths");
	ml_sum_add(&sum, -200);
	unit_near(ml_sum_value(&sum), -100, 0, 1e-13, "a negative sum");
	memset(&sum, 0, sizeof(sum));
	ml_sum_add(&sum, 1);
	ml_sum_add(&sum, 0x1p-53);
	unit_ok(ml_sum_value(&sum) == 1, "a half is rounded to even");
	ml_sum_add(&sum, 0x1p-200);
	unit_ok(ml_sum_value(&sum) == 1 + 0x1p-52, "a little more is rounded up");
}

static void
test_catset(void)
{
	size_t		size = ml_catset_size(4, 32);
	ml_catset  *set = malloc(size);
	ml_catset  *larger;
	bool		is_new;

	ml_catset_init(set, 4, 32);
	unit_ok(ml_catset_valid(set, size) && !ml_catset_valid(set, size - 1), "valid as a whole only");
	unit_ok(ml_catset_add(set, 0, "red", 3, 2, &is_new) && is_new, "a new text");
	unit_ok(ml_catset_add(set, 0, "red", 3, 3, &is_new) && !is_new, "again");
	unit_ok(ml_catset_add(set, 1, "red", 3, 1, &is_new) && is_new, "the same in another column");
	unit_ok(ml_catset_add(set, 0, "", 0, 1, &is_new) && is_new, "the empty text");
	unit_int(ml_catset_entries(set)[0].count, 5, "counted");
	unit_ok(!ml_catset_add(set, 0, "a text that does not fit any more", 33, 1, &is_new), "no room for the text");
	unit_ok(ml_catset_add(set, 0, "blue", 4, 1, &is_new), "the last entry");
	unit_ok(!ml_catset_add(set, 0, "x", 1, 1, &is_new), "no room for an entry");
	larger = malloc(ml_catset_size(100, 1000));
	ml_catset_init(larger, 100, 1000);
	ml_catset_copy(larger, set);
	unit_ok(ml_catset_add(larger, 0, "x", 1, 1, &is_new) && is_new && larger->entries == 5, "room in a larger block");
	unit_int(ml_catset_find_or_add(larger, 0, "blue", 4, &is_new), 3, "entries keep their numbers");
	unit_ok(memcmp(ml_catset_text(larger, &ml_catset_entries(larger)[3]), "blue", 4) == 0, "and their texts");
	((ml_catset_entry *) ml_catset_entries(set))[0].length = 1000;
	unit_ok(!ml_catset_valid(set, size), "a text beyond the heap is noticed");
	free(set);
	free(larger);
}

static void
test_bytes_and_dictionary(void)
{
	ml_ctx		ctx = ml_ctx_default();
	ml_writer	w = {&ctx, NULL, 0, 0, false};
	ml_reader	r;
	bool		no_memory = false;
	char	   *text;
	static const char *const ordered[] = {"", "a", "b"};
	static const char *const unordered[] = {"b", "a"};
	ml_dictionary d;
	ml_error	err;
	fail_state	failing = {0, 0, -1, 0};

	unit_int(ml_crc32c((const unsigned char *) "123456789", 9), 0xE3069283u, "CRC-32C of its check value");
	{
		unsigned char bytes[67];
		bool		same = true;

		for (int i = 0; i < 67; i++)
			bytes[i] = (unsigned char) (i * i + 7);
		for (int from = 0; from < 9; from++)
			for (int length = 0; from + length <= 67; length++)
				same &= ml_crc32c(bytes + from, length) == ml_crc32c_by_table(bytes + from, length);
		unit_ok(same, "CRC-32C by table and by instruction, of any length and place");
	}
	ml_put_u8(&w, 200);
	ml_put_u64(&w, 0x0102030405060708ULL);
	ml_put_double(&w, -0.1);
	ml_put_text(&w, "dust");
	r = (ml_reader) {w.data, w.length, 0, false};
	unit_int(ml_get_u8(&r), 200, "a byte");
	unit_ok(ml_get_u64(&r) == 0x0102030405060708ULL && w.data[1] == 8, "little-endian");
	unit_near(ml_get_double(&r), -0.1, 0, 0, "a double");
	text = ml_get_text(&r, &ctx, &no_memory);
	unit_text(text, "dust", "a text");
	unit_ok(!r.failed && r.at == r.length, "all read");
	unit_int(ml_get_u32(&r), 0, "beyond the end there is 0");
	unit_ok(r.failed, "and a failure");
	ml_free(&ctx, text);
	r = (ml_reader) {(const unsigned char *) "\xff\xff\xff\xff", 4, 0, false};
	unit_ok(ml_get_count(&r, 4) == 0 && r.failed, "a count beyond what is left");
	ml_free(&ctx, w.data);
	ctx = fail_ctx(&failing);
	w = (ml_writer) {&ctx, NULL, 0, 0, false};
	ml_put_u32(&w, 1);
	ml_put_text(&w, "more");
	unit_ok(w.failed && w.data == NULL, "no memory is remembered");

	ctx = ml_ctx_default();
	unit_int(ml_dictionary_make(&ctx, &d, 3, ordered, &err), ML_OK, "a dictionary");
	unit_ok(ml_dictionary_find(&d, "", 0) == 0 && ml_dictionary_find(&d, "bc", 1) == 2 && ml_dictionary_find(&d, "bc", 2) == -1,
			"finds by bytes and length");
	ml_dictionary_clear(&ctx, &d);
	unit_int(ml_dictionary_find(&d, "a", 1), -1, "nothing in an empty one");
	unit_int(ml_dictionary_make(&ctx, &d, 2, unordered, &err), ML_BAD_PARAM, "not in order");
}

int
main(void)
{
	test_sum();
	test_catset();
	test_bytes_and_dictionary();
	return unit_done();
}
