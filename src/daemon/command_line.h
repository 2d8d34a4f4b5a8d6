/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_line.h - what the user asked for, from argv.
 */
#ifndef CULVERT_DAEMON_COMMAND_LINE_H
#define CULVERT_DAEMON_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/base.h"
#include "core/error.h"
#include "config/config.h"

enum command {
    COMMAND_RUN,           /* relay until told to stop */
    COMMAND_TEST,          /* -t */
    COMMAND_DUMP,          /* -T */
    COMMAND_PRINT_DEFAULT, /* --print-default */
    COMMAND_HELP,          /* -h, help */
    COMMAND_VERSION,       /* -V */
    COMMAND_EXPLAIN,       /* explain [WORD], help WORD */
    COMMAND_EXPLAIN_CLOSE, /* explain close [REASON] */
    COMMAND_EXPLAIN_ROUTE, /* explain route --from ADDR ... */
    COMMAND_REFERENCE,     /* explain --format markdown */
    COMMAND_CTL,           /* ctl ..., or called as culvertctl */
};

/* explain route: the client that is asked about. NULL: not said. */
struct explain_client {
    const char *listener;
    const char *from;
    const char *sni;
    const char *alpn;
};

struct command_line {
    enum command command;
    struct config_sources sources; /* points into argv and the three below */
    const char **files;
    const char **overrides; /* those of -s, then those that other options stand for */
    char *quick_ini;
    char *made_overrides[2]; /* log.level, log.color */
    enum config_dump dump;
    bool explain;     /* -t --explain */
    bool json;        /* -t --format json */
    bool verbose;     /* -v, for -V */
    int color;        /* --color: -1 auto, 0 never, 1 always */
    const char *word; /* explain: what; or NULL */
    struct explain_client client;
    int ctl_argc;    /* ctl: its words, the first is "ctl" */
    char **ctl_argv; /* into argv */
};

/*
 * Reads argv, whose strings must live as long as the result. On false the error says what was
 * wrong and what may have been meant (exit code 64, or 71 without memory); release either way.
 */
bool command_line_parse(struct command_line *line, int argc, char **argv,
                        struct error *error) CULVERT_MUST_CHECK;

void command_line_release(struct command_line *line);

/* One screen: examples first. */
void command_line_print_help(FILE *out);

/* Whether text for people on `out` gets colour: --color, NO_COLOR, CLICOLOR_FORCE, TERM=dumb. */
bool command_line_wants_color(int color, int fd);

#endif
