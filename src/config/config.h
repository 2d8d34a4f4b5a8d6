/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - from INI files to a snapshot, with every error of one run.
 */
#ifndef CULVERT_CONFIG_CONFIG_H
#define CULVERT_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/base.h"
#include "config/snapshot.h"

/* What the command line says. Borrowed; NULL-terminated or counted arrays. */
struct config_sources {
    const char *const *files; /* -c; "-" is standard input; a folder means culvert.ini + conf.d/ */
    size_t file_count;        /* 0: $CULVERT_CONFIG, /etc/culvert/culvert.ini, else embedded */
    const char *const *overrides; /* -s SECTION[.NAME].KEY=VALUE */
    size_t override_count;
    const char *quick_ini; /* the quick run as INI text instead of files, or NULL */
};

/* The embedded INI (--print-default). */
extern const char config_embedded[];

struct config; /* parsed settings with origins, and the diagnostics */

/*
 * Reads, parses and checks everything; resolves host names and loads the files of TLS when
 * `resolve` is set (never for --dump-config). Never NULL except without memory. Use
 * config_is_valid() next.
 */
struct config *config_load(const struct config_sources *sources, bool resolve);
void config_destroy(struct config *config);

/* No errors (warnings are allowed). */
bool config_is_valid(const struct config *config);

/*
 * Prints all diagnostics, each "file:line:col: error: text" with the source line and a caret, and
 * the closing count. With `explain`: why, effect and fix under each. With `json`: one array.
 * Prints nothing when there is none.
 */
void config_print_diagnostics(const struct config *config, FILE *out, bool color, bool explain,
                              bool json);

/* A fresh snapshot of a valid config with one reference for the caller; NULL without memory, or
   when files of TLS that were not loaded before do not load. */
struct snapshot *config_snapshot(struct config *config);

enum config_dump { CONFIG_DUMP_SET, CONFIG_DUMP_ALL, CONFIG_DUMP_CHANGED, CONFIG_DUMP_JSON };

/* -T: the effective configuration with the origin of each value; loads again to the same thing. */
void config_dump(const struct config *config, FILE *out, enum config_dump what);

/*
 * `culvert explain [WORD...]`: documentation from the option table (sections, keys of a section,
 * one key). False when the word is unknown; then `complaints` gets a suggestion, and `out` nothing.
 */
bool config_explain(const char *word, FILE *out, FILE *complaints);

/* docs/reference/configuration.md, from the option table. */
void config_print_reference(FILE *out);

/* The descriptor budget (config.md 1.7, data-path.md 5.2). */
struct budget {
    int open_files;      /* RLIMIT_NOFILE to work with */
    int max_connections; /* resolved */
    int max_pipes;       /* resolved */
    int reserve;
    int descriptors_per_session; /* 2, or 3 with builtin: servers */
    const char *bound_by;        /* "max_connections" or "open_files" */
    bool fits;
    char line[160];   /* "fds: 2·9456 sessions + 2·512 pipes + 64 = 20000 = RLIMIT_NOFILE" */
    char advice[200]; /* when it does not fit: what to raise or set */
};

/* Computes the budget for a hard limit of `open_files` and `max_pipes` pipes as the kernel allows.
 */
void config_budget(const struct snapshot *snapshot, int open_files, int max_pipes,
                   struct budget *budget);

#endif
