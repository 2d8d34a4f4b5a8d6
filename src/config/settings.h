/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings.h - what the files say: sections and the values of their keys, with origins.
 *
 * Mutable while files are read; the snapshot is built from it. A key that a section does not set
 * has the value of [defaults] where that may say so, else the table's.
 */
#ifndef CULVERT_CONFIG_SETTINGS_H
#define CULVERT_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The table's code must not end the process when memory runs out: settings_add() looks. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "core/base.h"
#include "config/diagnostics.h"
#include "config/option_table.h"
#include "config/source_file.h"
#include "config/value.h"

struct section {
    enum section_kind kind;
    char *name;             /* "" where the kind has none */
    struct origin origin;   /* of its first header */
    struct setting *values; /* of the options [first, first + count) */
    enum option_id first;
    size_t count;
    const struct source_file *file; /* the last file that has a header of it */
    unsigned number;                /* among those of its kind, in order of appearance */
    bool has_unknown_key;           /* which may be one that it lacks */
    UT_hash_handle hh;
};

struct settings {
    struct section *sections[SECTION_KINDS]; /* a table by name for each kind, in file order */
    struct setting fallbacks[OPTION_COUNT];  /* the table's defaults, parsed */
};

/* Parses the table's defaults. False without memory. */
bool settings_init(struct settings *settings) CULVERT_MUST_CHECK;
void settings_release(struct settings *settings);

/* The section with this name ("" for kinds without one), or NULL. */
struct section *settings_find(const struct settings *settings, enum section_kind kind,
                              const char *name);

/* The sections of a kind in order of appearance: the first, and the one behind. */
struct section *settings_first(const struct settings *settings, enum section_kind kind);
struct section *section_next(const struct section *section);
size_t settings_count(const struct settings *settings, enum section_kind kind);

/*
 * Opens the section that a header names, or opens it again. NULL after a report to `diagnostics`,
 * when its keys are to be passed over.
 */
struct section *settings_open(struct settings *settings, const char *type, const char *name,
                              const struct origin *origin, struct diagnostics *diagnostics);

/* The same without a header, for overrides. NULL without memory. */
struct section *settings_add(struct settings *settings, enum section_kind kind, const char *name,
                             const struct origin *origin);

/* Gives a key of the section its value, or reports why not. */
void settings_assign(struct section *section, const char *key, const char *value,
                     const struct origin *origin, const struct origin *value_origin,
                     struct source_files *files, struct diagnostics *diagnostics);

/* The value that counts for an option: the section's, that of [defaults], or the table's. `section`
   may be NULL: not configured at all. Not set anywhere: a setting without items. */
const struct setting *settings_get(const struct settings *settings, const struct section *section,
                                   enum option_id option);

/* The section's own value, which may be unset. */
struct setting *section_value(const struct section *section, enum option_id option);

/* "[listen web]" for messages; returns `buffer`. */
const char *section_text(const struct section *section, char *buffer, size_t size);
#define SECTION_TEXT_BYTES 64

/* Shorthands for options with one item. */
bool settings_has(const struct settings *settings, const struct section *section,
                  enum option_id option);
const struct item *settings_item(const struct settings *settings, const struct section *section,
                                 enum option_id option);
int64_t settings_number(const struct settings *settings, const struct section *section,
                        enum option_id option);
int64_t settings_ms(const struct settings *settings, const struct section *section,
                    enum option_id option);
int settings_word(const struct settings *settings, const struct section *section,
                  enum option_id option);
const char *settings_text(const struct settings *settings, const struct section *section,
                          enum option_id option);

#endif
