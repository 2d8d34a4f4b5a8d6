/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name_state.h - how a name that is looked up does.
 */
#ifndef CULVERT_DISCOVERY_NAME_STATE_H
#define CULVERT_DISCOVERY_NAME_STATE_H

enum name_state {
    NAME_PENDING, /* not answered yet */
    NAME_GOOD,
    NAME_STALE,  /* look-ups fail; the last good answer is kept */
    NAME_FAILED, /* look-ups fail, and there is no answer */
};

/* "pending", "ok", "stale", "failed". */
const char *name_state_word(enum name_state state);

#endif
