/* SPDX-License-Identifier: Apache-2.0 */
/*
 * privileges.c - looking up and becoming another user.
 */
#include "daemon/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

static bool parse_number(const char *word, unsigned *number)
{
    char *end;
    unsigned long value;

    if (word[0] < '0' || word[0] > '9')
        return false;
    errno = 0;
    value = strtoul(word, &end, 10);
    if (errno != 0 || *end != '\0' || value >= (uid_t)-1)
        return false;
    *number = (unsigned)value;
    return true;
}

static bool look_up_user(struct identity *identity, const char *user, struct error *error)
{
    const struct passwd *entry = getpwnam(user);
    unsigned number;

    identity->changes_user = true;
    identity->changes_group = true;
    if (entry != NULL) {
        identity->uid = entry->pw_uid;
        identity->gid = entry->pw_gid;
        return true;
    }
    if (!parse_number(user, &number))
        return error_set(error, EX_CONFIG, "user '%s' does not exist", user);
    entry = getpwuid(number);
    identity->uid = number;
    identity->gid = entry != NULL ? entry->pw_gid : number;
    return true;
}

static bool look_up_group(struct identity *identity, const char *group, struct error *error)
{
    const struct group *entry = getgrnam(group);
    unsigned number;

    identity->changes_group = true;
    if (entry != NULL)
        identity->gid = entry->gr_gid;
    else if (parse_number(group, &number))
        identity->gid = number;
    else
        return error_set(error, EX_CONFIG, "group '%s' does not exist", group);
    return true;
}

bool privileges_look_up(struct identity *identity, const char *user, const char *group,
                        struct error *error)
{
    *identity = (struct identity){.changes_user = false};
    if (user != NULL && user[0] == '\0')
        user = NULL;
    if (group != NULL && group[0] == '\0')
        group = NULL;
    if ((user != NULL || group != NULL) && geteuid() != 0)
        return error_set(error, EX_NOPERM, "%s = %s needs a start as root",
                         user != NULL ? "user" : "group", user != NULL ? user : group);
    return (user == NULL || look_up_user(identity, user, error)) &&
           (group == NULL || look_up_group(identity, group, error));
}

bool privileges_give_file(const struct identity *identity, const char *path, bool with_group,
                          struct error *error)
{
    uid_t uid = identity->changes_user ? identity->uid : (uid_t)-1;
    gid_t gid = identity->changes_group && with_group ? identity->gid : (gid_t)-1;

    if (lchown(path, uid, gid) == 0)
        return true;
    return error_set(error, EX_NOPERM, "cannot give %s to user %u: %s", path,
                     (unsigned)identity->uid, strerror(errno));
}

/* Of what PR_SET_KEEPCAPS has left, CAP_NET_ADMIN alone, and in force. */
static bool keep_net_admin(struct error *error)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
        {.effective = 1U << CAP_NET_ADMIN, .permitted = 1U << CAP_NET_ADMIN}};

    if (syscall(SYS_capset, &header, data) == 0)
        return true;
    return error_set(error, EX_NOPERM, "cannot keep the capability CAP_NET_ADMIN: %s",
                     strerror(errno));
}

bool privileges_drop(const struct identity *identity, struct error *error)
{
    uid_t uid = identity->uid;
    gid_t gid = identity->gid;

    if (identity->changes_group && (setgroups(1, &gid) == -1 || setresgid(gid, gid, gid) == -1))
        return error_set(error, EX_NOPERM, "cannot become group %u: %s", (unsigned)gid,
                         strerror(errno));
    if (!identity->changes_user)
        return true;
    if (identity->keeps_net_admin && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == -1)
        return error_set(error, EX_NOPERM, "cannot keep capabilities: %s", strerror(errno));
    if (setresuid(uid, uid, uid) == -1)
        return error_set(error, EX_NOPERM, "cannot become user %u: %s", (unsigned)uid,
                         strerror(errno));
    if (uid != 0 && setuid(0) == 0)
        return error_set(error, EX_NOPERM, "user %u can become root again", (unsigned)uid);
    return !identity->keeps_net_admin || keep_net_admin(error);
}
