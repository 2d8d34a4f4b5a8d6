/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diagnostics.h - all errors and warnings of one run, each with its place.
 */
#ifndef CULVERT_CONFIG_DIAGNOSTICS_H
#define CULVERT_CONFIG_DIAGNOSTICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/base.h"
#include "config/source_file.h"

enum severity { SEVERITY_ERROR, SEVERITY_WARNING };

/* What a diagnostic is about; each has a reason, an effect and a fix in diagnostics.c. */
enum topic {
    TOPIC_FILE,
    TOPIC_INCLUDE,
    TOPIC_BYTES,
    TOPIC_SYNTAX,
    TOPIC_SECTION,
    TOPIC_KEY,
    TOPIC_TWICE,
    TOPIC_VALUE,
    TOPIC_UNIT,
    TOPIC_VARIABLE,
    TOPIC_LATER,
    TOPIC_REFERENCE,
    TOPIC_MISSING,
    TOPIC_ADDRESS,
    TOPIC_ROUTE,
    TOPIC_TIMEOUT,
    TOPIC_TLS,
    TOPIC_PROXY,
    TOPIC_EXPOSED,
    TOPIC_UNUSED,
    TOPIC_LOOKUP,
    TOPIC_LOOP,
    TOPIC_OVERRIDE,
    TOPIC_MEMORY,
};

struct diagnostic {
    enum severity severity;
    enum topic topic;
    struct origin origin; /* file NULL: of no place */
    char *text;           /* owned */
    size_t order;         /* of discovery */
};

/* A zeroed struct is a valid empty list. */
struct diagnostics {
    struct diagnostic *list;
    size_t count;
    size_t errors;
    size_t warnings;
    bool is_out_of_memory; /* something could not be stored: counts as an error */
};

void diagnostics_error(struct diagnostics *diagnostics, enum topic topic,
                       const struct origin *origin, const char *format, ...) CULVERT_PRINTF(4, 5);
void diagnostics_warning(struct diagnostics *diagnostics, enum topic topic,
                         const struct origin *origin, const char *format, ...) CULVERT_PRINTF(4, 5);

/* So many are kept that further ones are only counted: their texts need not be worked out. */
bool diagnostics_is_full(const struct diagnostics *diagnostics);

/* Memory ran out somewhere: the run has failed. Returns false. */
bool diagnostics_out_of_memory(struct diagnostics *diagnostics);

/* See config_print_diagnostics(). */
void diagnostics_print(const struct diagnostics *diagnostics, FILE *out, bool color, bool explain);
void diagnostics_print_json(const struct diagnostics *diagnostics, FILE *out, bool explain);

void diagnostics_release(struct diagnostics *diagnostics);

#endif
