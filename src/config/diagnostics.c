/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diagnostics.c - collecting and showing what is wrong with a configuration.
 *
 * "file:line:col: error: text" is what editors and CI annotations jump by; the source line and a
 * caret follow.
 */
#include "config/diagnostics.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* More than this many are counted, not kept. */
#define MOST_KEPT 200

/* The most bytes of a source line that are shown. */
#define MOST_SHOWN 160

struct explanation {
    const char *reason;
    const char *effect;
    const char *fix;
};

static const struct explanation explanations[] = {
    [TOPIC_FILE] = {"A configuration is a regular, readable file of at most 1 MiB.",
                    "It is not read, so nothing of it takes effect.",
                    "Name the file itself, or its folder for culvert.ini and conf.d/*.ini in it."},
    [TOPIC_INCLUDE] = {"Included files may include others, at most 8 deep and never in a circle.",
                       "The file is not read a second time.",
                       "Remove one of the include lines; a glob may match nothing."},
    [TOPIC_BYTES] = {"A configuration is UTF-8 text with lines of at most 4094 bytes.",
                     "The line is not understood as it looks on the screen.",
                     "Save the file as UTF-8; write control bytes as \\xNN inside double quotes."},
    [TOPIC_SYNTAX] = {"A line is a [section] header, key = value, a comment, or empty.",
                      "The line has no meaning; behind a broken header neither have its keys.",
                      "Keys are lower case; put a value with quotes in it into double quotes."},
    [TOPIC_SECTION] = {"Sections are [type] or [type name]; a name has 1-32 of A-Z a-z 0-9 _ . -",
                       "The section's keys would take no effect.",
                       "See the list that 'culvert explain' prints."},
    [TOPIC_KEY] = {"Every key is known by name, so a slip of the pen cannot go unseen.",
                   "The line would take no effect.",
                   "See 'culvert explain SECTION' for the keys of a section."},
    [TOPIC_TWICE] = {"One place says what a value is; a later file may override it, a later line "
                     "of the same file may not.",
                     "It would be unclear which of the two counts.",
                     "Remove one of the two, or move the override into an included file."},
    [TOPIC_VALUE] = {"The value does not have the form or lies outside the range of its key.",
                     "The key cannot be given a meaning.",
                     "See 'culvert explain SECTION.KEY' for what it takes."},
    [TOPIC_UNIT] = {"Other programs read a bare number as seconds or as milliseconds.",
                    "A guess could be wrong by a factor of 1000.",
                    "Write the unit: 250ms, 5s, 2m, 1h, 1d; 0 or off means never."},
    [TOPIC_VARIABLE] = {"A value takes ${NAME} from the environment, and $$ is a dollar sign.",
                        "The value is incomplete.",
                        "Export the variable, or give a default: ${NAME:-default}."},
    [TOPIC_LATER] = {"The feature is designed but not part of this version.",
                     "It would do nothing, and a configuration that promises something must not "
                     "be accepted in silence.",
                     "Remove the line or set it to off."},
    [TOPIC_REFERENCE] = {"One section names another, which must exist.",
                         "Sessions would have nowhere to go.",
                         "Correct the name or add the section."},
    [TOPIC_MISSING] = {"The section cannot work without it.", "There would be nothing to do.",
                       "Add the key; 'culvert explain SECTION' shows an example of its form."},
    [TOPIC_ADDRESS] = {"One address and port can be listened on once.",
                       "The second socket could not be opened.",
                       "Choose another port, or merge the two listeners."},
    [TOPIC_ROUTE] = {"The most specific route wins; no two may say the same, none may be dead.",
                     "It would be unclear which one counts, or the route would never be used.",
                     "Remove it, or narrow its source."},
    [TOPIC_TIMEOUT] = {"The kernel's user_timeout ends a side that acknowledges nothing, and so "
                       "does stall_timeout.",
                       "The kernel would be first, and the record would name the wrong cause.",
                       "Keep user_timeout longer than stall_timeout."},
    [TOPIC_TLS] = {"Certificates, keys and what is asked of peers must fit together.",
                   "Handshakes would fail, or protect nobody.",
                   "Read what the file holds with openssl x509 -text -noout -in FILE; see the "
                   "keys of [tls] with 'culvert explain tls'."},
    [TOPIC_PROXY] = {"Who may send a PROXY header decides which address a client seems to have.",
                     "A client could pass for any address in rules, limits and logs.",
                     "List the addresses of the proxies in front in 'trusted_proxies'."},
    [TOPIC_EXPOSED] = {"Who may write a configuration or reach the admin address may see or "
                       "decide what culvert relays.",
                       "Others than the operator could.",
                       "Take away the write permission of others; bind the admin to 127.0.0.1, "
                       "and scrape and probe by [metrics] bind."},
    [TOPIC_UNUSED] = {"Nothing refers to it.", "It takes no effect.",
                      "Remove it, or name it where it is wanted."},
    [TOPIC_LOOKUP] = {"A host name to bind to is looked up once, when the configuration is loaded.",
                      "There is no address to listen on.",
                      "Check the name and the resolver, or write the address."},
    [TOPIC_LOOP] = {"The server is an address culvert itself listens on.",
                    "Each session would open the next one until a limit stops it.",
                    "Name the real server."},
    [TOPIC_OVERRIDE] = {"-s takes SECTION.KEY=VALUE, or SECTION.NAME.KEY=VALUE for a section "
                        "with a name.",
                        "The override has no place to go.",
                        "For example: -s listen.web.backlog=512"},
    [TOPIC_MEMORY] = {"The system refused memory.", "Nothing was loaded.", "Free some memory."},
};

static void add(struct diagnostics *diagnostics, enum severity severity, enum topic topic,
                const struct origin *origin, const char *format, va_list arguments)
    CULVERT_PRINTF(5, 0);

static void add(struct diagnostics *diagnostics, enum severity severity, enum topic topic,
                const struct origin *origin, const char *format, va_list arguments)
{
    if (severity == SEVERITY_ERROR)
        diagnostics->errors++;
    else
        diagnostics->warnings++;
    if (diagnostics->count == MOST_KEPT)
        return;
    if (diagnostics->list == NULL)
        diagnostics->list = calloc(MOST_KEPT, sizeof(*diagnostics->list));
    char *text = NULL;
    if (diagnostics->list == NULL || vasprintf(&text, format, arguments) == -1) {
        diagnostics->is_out_of_memory = true;
        return;
    }
    size_t number = diagnostics->count++;
    diagnostics->list[number] =
        (struct diagnostic){.severity = severity, .topic = topic, .text = text, .order = number};
    if (origin != NULL)
        diagnostics->list[number].origin = *origin;
}

void diagnostics_error(struct diagnostics *diagnostics, enum topic topic,
                       const struct origin *origin, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    add(diagnostics, SEVERITY_ERROR, topic, origin, format, arguments);
    va_end(arguments);
}

void diagnostics_warning(struct diagnostics *diagnostics, enum topic topic,
                         const struct origin *origin, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    add(diagnostics, SEVERITY_WARNING, topic, origin, format, arguments);
    va_end(arguments);
}

bool diagnostics_is_full(const struct diagnostics *diagnostics)
{
    return diagnostics->count == MOST_KEPT;
}

bool diagnostics_out_of_memory(struct diagnostics *diagnostics)
{
    if (!diagnostics->is_out_of_memory)
        diagnostics->errors++;
    diagnostics->is_out_of_memory = true;
    return false;
}

void diagnostics_release(struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < diagnostics->count; i++)
        free(diagnostics->list[i].text);
    free(diagnostics->list);
    *diagnostics = (struct diagnostics){0};
}

/* Files in the order of reading, then lines; what has no place comes last. */
static int compare(const void *a_pointer, const void *b_pointer)
{
    const struct diagnostic *a = *(const struct diagnostic *const *)a_pointer;
    const struct diagnostic *b = *(const struct diagnostic *const *)b_pointer;

    if ((a->origin.file == NULL) != (b->origin.file == NULL))
        return a->origin.file == NULL ? 1 : -1;
    if (a->origin.file != NULL && a->origin.file != b->origin.file)
        return a->origin.file->number < b->origin.file->number ? -1 : 1;
    if (a->origin.line != b->origin.line)
        return a->origin.line < b->origin.line ? -1 : 1;
    if (a->origin.column != b->origin.column)
        return a->origin.column < b->origin.column ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

/* The diagnostics in the order of their places, for free(3); NULL without memory. */
static const struct diagnostic **sorted(const struct diagnostics *diagnostics)
{
    const struct diagnostic **list =
        calloc(diagnostics->count + 1, sizeof(const struct diagnostic *));

    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < diagnostics->count; i++)
        list[i] = &diagnostics->list[i];
    qsort(list, diagnostics->count, sizeof(const struct diagnostic *), compare);
    return list;
}

/* What a terminal may get of an untrusted line: no control bytes, nothing outside of UTF-8. */
static void print_safely(FILE *out, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        bool is_control = (byte < 0x20 && byte != '\t') || byte == 0x7f || byte >= 0xf8 ||
                          (byte == 0xc2 && i + 1 < length && (unsigned char)bytes[i + 1] < 0xa0);

        fputc(is_control ? '?' : byte, out);
    }
}

static bool continues_character(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

/* The source line, and a caret under the bytes meant. */
static void print_line(FILE *out, const struct origin *origin, bool color)
{
    size_t length;
    const char *line = source_file_line(origin->file, origin->line, &length);
    size_t column = origin->column - 1;
    size_t first = 0;

    if (column > length)
        column = length;
    if (column > MOST_SHOWN - 40)
        first = column - (MOST_SHOWN - 40) / 2;
    while (first > 0 && continues_character(line[first]))
        first--;
    size_t last = length - first > MOST_SHOWN ? first + MOST_SHOWN : length;
    while (last < length && continues_character(line[last]))
        last++;
    fprintf(out, "%5u | %s", origin->line, first > 0 ? "..." : "");
    print_safely(out, line + first, last - first);
    fprintf(out, "%s\n      | %s", last < length ? "..." : "", first > 0 ? "   " : "");
    for (size_t i = first; i < column; i++) {
        if (!continues_character(line[i]))
            fputc(line[i] == '\t' ? '\t' : ' ', out);
    }
    fputs(color ? "\033[1;32m^" : "^", out);
    for (size_t i = column + 1; i < column + origin->length && i < last; i++) {
        if (!continues_character(line[i]))
            fputc('~', out);
    }
    fputs(color ? "\033[0m\n" : "\n", out);
}

static void print_one(const struct diagnostic *diagnostic, FILE *out, bool color, bool explain)
{
    const struct origin *origin = &diagnostic->origin;
    bool is_error = diagnostic->severity == SEVERITY_ERROR;

    if (origin->file == NULL)
        fputs("culvert:", out);
    else if (origin->line == 0)
        fprintf(out, "%s:", origin->file->name);
    else if (origin->column == 0)
        fprintf(out, "%s:%u:", origin->file->name, origin->line);
    else
        fprintf(out, "%s:%u:%u:", origin->file->name, origin->line, origin->column);
    fprintf(out, " %s%s:%s ",
            !color     ? ""
            : is_error ? "\033[1;31m"
                       : "\033[1;33m",
            is_error ? "error" : "warning", color ? "\033[0m" : "");
    print_safely(out, diagnostic->text, strlen(diagnostic->text));
    fputc('\n', out);
    if (origin->file != NULL && origin->line != 0 && origin->column != 0)
        print_line(out, origin, color);
    if (explain) {
        const struct explanation *explanation = &explanations[diagnostic->topic];

        fprintf(out, "      why:    %s\n      effect: %s\n      fix:    %s\n", explanation->reason,
                explanation->effect, explanation->fix);
    }
}

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

void diagnostics_print(const struct diagnostics *diagnostics, FILE *out, bool color, bool explain)
{
    if (diagnostics->errors == 0 && diagnostics->warnings == 0)
        return;
    const struct diagnostic **list = sorted(diagnostics);
    for (size_t i = 0; list != NULL && i < diagnostics->count; i++)
        print_one(list[i], out, color, explain);
    free(list);
    if (diagnostics->is_out_of_memory)
        fputs("culvert: error: out of memory\n", out);
    size_t hidden = diagnostics->errors + diagnostics->warnings - diagnostics->count -
                    (diagnostics->is_out_of_memory ? 1 : 0);
    if (diagnostics->count == MOST_KEPT && hidden > 0)
        fprintf(out, "... and %zu more\n", hidden);
    fprintf(out, "%zu error%s, %zu warning%s%s\n", diagnostics->errors, plural(diagnostics->errors),
            diagnostics->warnings, plural(diagnostics->warnings),
            diagnostics->errors > 0 ? "; nothing was loaded" : "");
}

/* A string for JSON even when the bytes are not UTF-8. */
static json_t *json_text(const char *text)
{
    json_t *string = json_string(text);

    return string != NULL ? string : json_string("(not UTF-8)");
}

static json_t *json_of(const struct diagnostic *diagnostic, bool explain)
{
    const struct origin *origin = &diagnostic->origin;
    json_t *object = json_object();

    json_object_set_new(object, "severity",
                        json_string(diagnostic->severity == SEVERITY_ERROR ? "error" : "warning"));
    if (origin->file != NULL) {
        json_object_set_new(object, "file", json_text(origin->file->name));
        if (origin->line != 0)
            json_object_set_new(object, "line", json_integer(origin->line));
        if (origin->column != 0)
            json_object_set_new(object, "column", json_integer(origin->column));
    }
    json_object_set_new(object, "message", json_text(diagnostic->text));
    if (explain) {
        const struct explanation *explanation = &explanations[diagnostic->topic];

        json_object_set_new(object, "reason", json_string(explanation->reason));
        json_object_set_new(object, "effect", json_string(explanation->effect));
        json_object_set_new(object, "fix", json_string(explanation->fix));
    }
    return object;
}

void diagnostics_print_json(const struct diagnostics *diagnostics, FILE *out, bool explain)
{
    const struct diagnostic **list = sorted(diagnostics);
    json_t *array = json_array();

    for (size_t i = 0; list != NULL && i < diagnostics->count; i++)
        json_array_append_new(array, json_of(list[i], explain));
    json_dumpf(array, out, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    fputc('\n', out);
    json_decref(array);
    free(list);
}
