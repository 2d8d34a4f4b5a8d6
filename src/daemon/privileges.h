/* SPDX-License-Identifier: Apache-2.0 */
/*
 * privileges.h - from root to the user of [culvert] user and group, for good.
 */
#ifndef CULVERT_DAEMON_PRIVILEGES_H
#define CULVERT_DAEMON_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/base.h"
#include "core/error.h"

/* Who to become. */
struct identity {
    bool changes_user;
    bool changes_group;
    bool keeps_net_admin; /* CAP_NET_ADMIN and nothing else, for transparent pools */
    uid_t uid;
    gid_t gid;
};

/*
 * Looks up `user` and `group` (names or numbers, either may be NULL); without a group it is the
 * user's own. Exit code 78 for unknown ones, 77 when culvert was not started as root.
 */
bool privileges_look_up(struct identity *identity, const char *user, const char *group,
                        struct error *error) CULVERT_MUST_CHECK;

/*
 * Gives a file of culvert's to the identity: the owner, and with `with_group` the group. A link is
 * not followed. Exit code 77 when the kernel refuses.
 */
bool privileges_give_file(const struct identity *identity, const char *path, bool with_group,
                          struct error *error) CULVERT_MUST_CHECK;

/*
 * Becomes it: real, effective and saved ids, no supplementary groups, no capability but the one to
 * keep. Before threads start. Exit
 * code 77 when the kernel refuses or root could be regained.
 */
bool privileges_drop(const struct identity *identity, struct error *error) CULVERT_MUST_CHECK;

#endif
