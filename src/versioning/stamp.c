/*
 * stamp.c: transaction ids widened to 64 bits.
 */
#include "versioning/versioning_int.h"

#include "access/transam.h"

int64
mdl_stamp_of_xid(TransactionId xid, int64 stamp_offset)
{
	FullTransactionId next = ReadNextFullTransactionId();
	int64		id = (int64) U64FromFullTransactionId(next);

	/* A signed distance: an id of this backend's own may be newer than what was read. */
	id += (int32) (xid - XidFromFullTransactionId(next));
	return id + stamp_offset;
}
