/*
 * stamp.c: transaction ids widened to 64 bits.
 */
#include "versioning/commits_int.h"

#include "access/transam.h"

int64
mdl_stamp_near(TransactionId xid, FullTransactionId near, int64 stamp_offset)
{
	/* A signed distance: the id may be newer than the one it is near. */
	return (int64) U64FromFullTransactionId(near) + (int32) (xid - XidFromFullTransactionId(near)) + stamp_offset;
}

int64
mdl_stamp_by_age(TransactionId xid, int64 stamp_offset)
{
	uint64		next = U64FromFullTransactionId(ReadNextFullTransactionId());

	return (int64) (next - (uint32) ((uint32) next - xid)) + stamp_offset;
}

int64
mdl_stamp_of_xid(TransactionId xid, int64 stamp_offset)
{
	return mdl_stamp_near(xid, ReadNextFullTransactionId(), stamp_offset);
}
