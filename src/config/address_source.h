/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address_source.h - where the addresses of one list come from, and reading them anew.
 *
 * A list is what one key says (allow, deny, trusted_proxies): prefixes in the configuration itself
 * and files of them. Workers ask `list`; the control thread alone looks at the files. A file that
 * is wrong, or that changes while it is read, leaves the list as it is.
 */
#ifndef CULVERT_CONFIG_ADDRESS_SOURCE_H
#define CULVERT_CONFIG_ADDRESS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "core/error.h"
#include "route/address_list.h"
#include "config/prefix_text.h"

struct setting;

struct address_file {
    char *path;     /* absolute */
    uint64_t stamp; /* file_stamp() from before it was read */
};

struct address_source {
    char *section; /* "listen web", "defaults": where the key stands */
    const char *key;
    struct address_list list;
    struct prefix_array written; /* in the configuration itself */
    struct address_file *files;
    size_t file_count;
    size_t prefix_count; /* of all that the list was made from */
    /* Looks at the files since the start, with something to tell. Control thread only. */
    uint64_t changed;
    uint64_t failed;
    char *complaint; /* of the last look, while the files are wrong; NULL: they are not */
};

/* What a setting of VALUE_PREFIX says. NULL without memory. */
struct address_source *address_source_create(const char *section, const char *key,
                                             const struct setting *setting);

/* NULL is allowed. */
void address_source_destroy(struct address_source *source);

enum address_look {
    ADDRESSES_UNCHANGED, /* or as wrong as before */
    ADDRESSES_CHANGED,   /* the list is a new one */
    ADDRESSES_BROKEN,    /* the list stays; the error says why */
};

/*
 * Reads the files anew when one of them has changed since, or whatever they are if `force`. A list
 * without files never changes.
 */
enum address_look address_source_look(struct address_source *source, bool force,
                                      struct error *error);

#endif
