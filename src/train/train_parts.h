/*
 * train_parts.h: the steps of a training by parts, as those of a training (train_int.h): reading and registering need a
 * transaction and an SPI connection; fitting needs neither.
 */
#ifndef MDL_TRAIN_PARTS_H
#define MDL_TRAIN_PARTS_H

#include "train/train_int.h"

typedef struct MdlPartsTraining MdlPartsTraining;

extern MdlPartsTraining *mdl_parts_begin(const MdlTrainRequest *request, MemoryContext parent);
extern void mdl_parts_read(MdlPartsTraining *p);	/* the rows of all parts, on one snapshot */
extern MdlTraining *mdl_parts_next(MdlPartsTraining *p);	/* reads the next part; NULL: there is none */
extern void mdl_parts_fit(MdlPartsTraining *p, MdlTraining *t);
extern void mdl_parts_register(MdlPartsTraining *p, MdlTrainResult *result);
extern void mdl_parts_end(MdlPartsTraining *p); /* frees it, and the result's strings with it */

#endif							/* MDL_TRAIN_PARTS_H */
