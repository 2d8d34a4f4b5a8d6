/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reference.c - docs/reference/configuration.md, written from the option table.
 */
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "config/option_table.h"

static const char introduction[] =
    "<!-- SPDX-License-Identifier: Apache-2.0 -->\n"
    "<!-- Written by `culvert explain --format markdown`; do not edit. -->\n"
    "# Configuration\n"
    "\n"
    "culvert reads INI files: the ones named with `-c`, else `$CULVERT_CONFIG`, else\n"
    "`/etc/culvert/culvert.ini`, else the text that `culvert --print-default` shows. `-c FOLDER` "
    "is\n"
    "`culvert.ini` in it and then `conf.d/*.ini`; `-c -` is standard input. `culvert -t` checks,\n"
    "`culvert -T` prints the effective values with their origins.\n"
    "\n"
    "## The form of a file\n"
    "\n"
    "1. UTF-8, lines end in LF or CRLF, at most 1 MiB, at most 4094 bytes per line. Control bytes\n"
    "   are an error.\n"
    "2. `[type]` or `[type name]` opens a section. A name has 1 to 32 of `A-Z a-z 0-9 _ . -`, is\n"
    "   unique for its type, and is the label in logs and metrics.\n"
    "3. `key = value`. Keys are lower case. Indent as you like; `:` separates nothing.\n"
    "4. A comment is a line that starts with `#` or `;`, or what follows a blank and one of these\n"
    "   behind a value. Inside double quotes they are text.\n"
    "5. A value runs to the end of the line, or is text in double quotes with `\\\"` `\\\\` `\\n` "
    "`\\r`\n"
    "   `\\t` `\\0` `\\xNN`. Single quotes mean nothing.\n"
    "6. Setting a key twice in a section is an error. A list grows by blanks, commas and repeated\n"
    "   keys; `key =` empties it.\n"
    "7. A section stands once in a file. A later file may open it again: its values override, its\n"
    "   list items are added.\n"
    "8. `include = conf.d/*.ini` in `[culvert]` names files read after this one, relative to it, "
    "in\n"
    "   the order of their names; a wildcard may match nothing, a plain name must exist. Files\n"
    "   include each other at most 8 deep and never in a circle.\n"
    "9. `${NAME}` is a variable of the environment; unset is an error. `${NAME:-default}` has a\n"
    "   default, `${NAME:?message}` an error of its own, `${NAME:+other}` is the other text when\n"
    "   set; without the colon an empty variable counts as set. `$$` is a dollar sign. A variable\n"
    "   stands in values only and is never read as a comment, a key or another variable.\n"
    "10. What counts: the built-in default, over it `[defaults]`, over it the section, over it\n"
    "    `-s SECTION.KEY=VALUE` or `-s SECTION.NAME.KEY=VALUE`.\n"
    "\n"
    "All errors of a run are reported at once, and nothing is loaded.\n"
    "\n"
    "## Values\n"
    "\n"
    "| Type | Form |\n"
    "|---|---|\n"
    "| yes or no | `yes` `no` `on` `off` `true` `false` |\n"
    "| integer | decimal digits |\n"
    "| duration | `250us` `250ms` `2.5s` `30s` `5m` `1h` `1d` `1m30s`; `0` or `off` is never; a "
    "bare "
    "number is an error |\n"
    "| size | `4096` `64k` `1m` `2g`, also `KiB` `MiB` `GiB`; k is 1024 |\n"
    "| percent | `10%` |\n"
    "| rate | `100/s` `2k/s` `1m/s`, `off` or `0`: no limit; k is 1000, of bytes 1024 |\n"
    "| address | `host:port`, `:port` (all addresses), `*:port` (all IPv4 addresses), `[v6]:port`, "
    "`unix:/path`, `unix:@name`; port 0 lets the kernel choose |\n"
    "| server | `[NAME] ADDRESS [weight=1-256] [backup] [disabled] [drain] [max_connections=N] "
    "[server_name=HOST]`; the "
    "address may be `builtin:echo`, `builtin:discard` or `builtin:chargen`; a host name is looked "
    "up "
    "once and stands for all its addresses |\n"
    "| prefix | `10.0.0.0/8` `::1` or `@file` with one per line |\n"
    "| name of | the name of a section; where a path may stand instead, what has a slash or ends "
    "in `.pem` is one |\n"
    "| path | relative to the file it stands in |\n"
    "| text | as written |\n"
    "\n"
    "## Sections\n"
    "\n"
    "`D` marks keys that may also stand in `[defaults]`; one that `[listen]` and `[pool]` share "
    "counts\nfor both there. *Change* says what a changed value needs: `live` nothing, `new` "
    "applies "
    "to new\nsessions, `bind` opens the socket again, `start` a restart. Reloading comes with a "
    "later "
    "version;\nuntil then every change needs a restart.\n";

/* Text for a table's cell. */
static void print_cell(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void print_default(FILE *out, const struct option *option)
{
    if (option->is_required)
        fputs("**required**", out);
    else if (option->fallback != NULL)
        fprintf(out, "`%s`", option->fallback);
    else if (option->fallback_note != NULL)
        print_cell(out, option->fallback_note);
    else
        fputs("not set", out);
}

static void print_row(FILE *out, const struct option *option)
{
    char type[256];

    fprintf(out, "| `%s` | ", option->key);
    print_cell(out, option_type_text(option, type, sizeof(type)));
    fputs(" | ", out);
    print_default(out, option);
    fprintf(out, " | %s | %s | ", option->in_defaults ? "D" : "",
            reload_class_text(option->reload));
    print_cell(out, option->help);
    if (option->example != NULL)
        fprintf(out, "; such as `%s`", option->example);
    if (option->peers != NULL) {
        fputs(" (", out);
        print_cell(out, option->peers);
        fputc(')', out);
    }
    fputs(" |\n", out);
}

/* Keys, and choices of keys, that later versions have. */
static void print_later(FILE *out, enum section_kind kind)
{
    bool is_first = true;

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = &option_table[i];
        size_t length;
        const char *word;

        if (option->section != kind || (!option->is_later && option->later_words == NULL))
            continue;
        if (option->is_later) {
            fprintf(out, "%s`%s`", is_first ? "\nNot in this version: " : ", ", option->key);
            is_first = false;
            continue;
        }
        for (unsigned k = 0; (word = word_at(option->later_words, k, &length)) != NULL; k++) {
            fprintf(out, "%s`%s = %.*s`", is_first ? "\nNot in this version: " : ", ", option->key,
                    (int)length, word);
            is_first = false;
        }
    }
    if (!is_first)
        fputs(".\n", out);
}

static void print_section(FILE *out, enum section_kind kind)
{
    const struct section_info *info = &section_table[kind];
    char form[32];

    fprintf(out, "\n### `%s`\n\n", section_form(kind, form, sizeof(form)));
    if (kind == SECTION_DEFAULTS) {
        fprintf(out, "%s: any key marked D below.\n", info->help);
        return;
    }
    fprintf(out,
            "%s%s.\n\n| Key | Type | Default | D | Change | Meaning |\n|---|---|---|---|---|---|\n",
            info->help, info->has_name ? "; any number of them" : "; one at most");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (option_table[i].section == kind && !option_table[i].is_later)
            print_row(out, &option_table[i]);
    }
    print_later(out, kind);
}

void config_print_reference(FILE *out)
{
    bool is_first = true;

    fputs(introduction, out);
    for (enum section_kind kind = 0; kind < SECTION_KINDS; kind++) {
        if (!section_table[kind].is_later)
            print_section(out, kind);
    }
    fputs("\n## Sections of later versions\n\n", out);
    for (enum section_kind kind = 0; kind < SECTION_KINDS; kind++) {
        if (!section_table[kind].is_later)
            continue;
        fprintf(out, "%s`[%s]` (%s)", is_first ? "" : ", ", section_table[kind].word,
                section_table[kind].help);
        is_first = false;
    }
    fputs(".\n\nA key or section of a later version is an error, unless its value asks for nothing "
          "(`off`, `no`,\n`none`, `0` or empty).\n",
          out);
}
