/*
 * monitor.h: drift monitors.
 *
 * A *monitor* compares what is in a *source* with a *baseline* (src/ml/drift.h), window by window, on a schedule.
 */
#ifndef MDL_MONITOR_H
#define MDL_MONITOR_H

/* Called once from _PG_init: registers the job kind 'monitor'. */
extern void mdl_monitor_init(void);

#endif							/* MDL_MONITOR_H */
