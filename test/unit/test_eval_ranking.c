/*
 * test_eval_ranking.c: gains, precision and ranks by hand, ties included.
 */
#include "ml/eval_ranking.h"

#include "unit.h"

int
main(void)
{
	ml_ranked	rows[] = {{1, 0, 1}, {2, 1, 9}, {1, 3, 5}, {1, 2, 5}, {2, 0, 9}};
	ml_ranked	scratch[5];
	ml_ranked	none[] = {{0, 0, 2}, {0, 0, 1}};
	ml_ranked	late[] = {{0, 0, 3}, {0, 0, 2}, {0, 1, 2}, {0, 1, 1}};
	double		tied = 2.5 * (1 + 1 / log2(3));

	ml_ranked_sort(NULL, rows, scratch, 5);
	if (rows[0].query == 2)		/* the order of queries is that of their bytes */
	{
		ml_ranked	copy[5];

		memcpy(copy, rows, sizeof(rows));
		memcpy(rows, copy + 2, 3 * sizeof(ml_ranked));
		memcpy(rows + 3, copy, 2 * sizeof(ml_ranked));
	}
	unit_ok(rows[0].query == rows[1].query && rows[1].query == rows[2].query && rows[3].query == rows[4].query, "by query");
	unit_ok(rows[0].score == 5 && rows[0].relevance == 3 && rows[2].score == 1, "then by falling score, then by relevance");
	unit_near(ml_dcg(rows, 3, 0), tied, 1e-15, 0, "equal scores share their gains");
	unit_near(ml_dcg(rows, 3, 1), 2.5, 1e-15, 0, "of the first rank");
	unit_near(ml_dcg(rows, 3, 100), tied, 1e-15, 0, "more ranks than rows");
	unit_near(ml_dcg(rows, 0, 0), 0, 0, 0, "no rows");
	unit_near(ml_ndcg(NULL, rows, scratch, 3, 0), tied / (3 + 2 / log2(3)), 1e-15, 0, "relative to the best order");
	unit_near(ml_ndcg(NULL, none, scratch, 2, 0), 0, 0, 0, "nothing relevant");
	unit_near(ml_ranked_precision(late, 4), (1.0 / 3 + 2.0 / 4) / 2, 1e-15, 0, "average precision, a tie taken whole");
	unit_near(ml_ranked_precision(none, 2), 0, 0, 0, "nothing relevant");
	unit_near(ml_reciprocal_rank(late, 4), 1.0 / 3, 1e-15, 0, "the first comes after those that score as high");
	unit_near(ml_reciprocal_rank(none, 2), 0, 0, 0, "nothing relevant");
	return unit_done();
}
