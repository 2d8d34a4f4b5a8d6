/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot_value.c - copies, groups and addresses for a snapshot.
 */
#include "config/snapshot_value.h"

#include <grp.h>
#include <stdlib.h>
#include <string.h>

bool snapshot_copy(char **copy, const char *text)
{
    if (text == NULL)
        return true;
    *copy = strdup(text);
    return *copy != NULL;
}

gid_t snapshot_group(const struct settings *settings, const struct section *section,
                     enum option_id option)
{
    const char *name = settings_text(settings, section, option);
    const struct group *group = name == NULL ? NULL : getgrnam(name);

    return group == NULL ? (gid_t)-1 : group->gr_gid;
}

size_t snapshot_binds(const struct setting *bind, struct addr *addrs)
{
    size_t total = 0;

    for (size_t i = 0; i < bind->count; i++) {
        const struct endpoint *endpoint = bind->items[i].endpoint;
        bool is_host = endpoint != NULL && endpoint->kind == ENDPOINT_HOST;
        const struct addr *found = endpoint == NULL ? NULL : &endpoint->addr;
        size_t count = is_host ? endpoint->addr_count : endpoint != NULL;

        if (is_host)
            found = endpoint->addrs;
        for (size_t k = 0; addrs != NULL && k < count; k++)
            addrs[total + k] = found[k];
        total += count;
    }
    return total;
}

bool snapshot_sources(const struct setting *source, struct pool_options *options)
{
    if (source->count == 0)
        return true;
    options->sources = calloc(source->count, sizeof(*options->sources));
    if (options->sources == NULL)
        return false;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < source->count; i++) {
            const struct addr *addr = &source->items[i].endpoint->addr;

            if ((addr->family == AF_INET) == (pass == 0))
                options->sources[options->source_count++] = *addr;
        }
        if (pass == 0)
            options->source_v4_count = options->source_count;
    }
    return true;
}
