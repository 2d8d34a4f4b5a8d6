/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_text.c - one pass over a value, byte by byte.
 */
#include "config/value_text.h"

#include <stdlib.h>
#include <string.h>

/* The longest name of a variable. */
#define VARIABLE_MAX 128

struct scanner {
    struct value_text *out;
    const char *raw;
    size_t length;
    size_t at; /* next byte of raw */
    const struct origin *origin;
    struct diagnostics *diagnostics;

    bool is_quoted;
    bool has_bare;       /* something stood outside of quotes */
    unsigned quotes;     /* quoted texts so far */
    bool is_quote_empty; /* nothing emitted since the opening quote */

    bool is_in_alternative; /* between ${NAME:- and its } */
    bool is_alternative_used;
    size_t alternative_start; /* for the message when it does not end */
};

static bool report(struct scanner *scanner, enum topic topic, size_t offset, size_t length,
                   const char *text)
{
    struct origin origin = *scanner->origin;

    origin.column += (unsigned)offset;
    origin.length = (unsigned)length;
    diagnostics_error(scanner->diagnostics, topic, &origin, "%s", text);
    return false;
}

static bool emit(struct scanner *scanner, char byte, size_t column)
{
    struct value_text *out = scanner->out;

    if (scanner->is_in_alternative && !scanner->is_alternative_used)
        return true;
    if (out->length == VALUE_TEXT_MAX)
        return report(scanner, TOPIC_VALUE, 0, scanner->length,
                      "this value is longer than 65536 bytes once its variables are in it");
    if (out->length == out->capacity) {
        size_t capacity = out->capacity == 0 ? 64 : 2 * out->capacity;
        struct value_byte *bytes = realloc(out->bytes, capacity * sizeof(*bytes));

        if (bytes == NULL)
            return diagnostics_out_of_memory(scanner->diagnostics);
        out->bytes = bytes;
        out->capacity = capacity;
    }
    out->bytes[out->length++] = (struct value_byte){
        .byte = byte, .is_quoted = scanner->is_quoted, .column = (uint16_t)column};
    scanner->is_quote_empty = false;
    return true;
}

static bool is_name_start(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
}

static bool is_name_byte(char byte)
{
    return is_name_start(byte) || (byte >= '0' && byte <= '9');
}

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return -1;
}

/* An escape sequence from its backslash. */
static bool read_escape(struct scanner *scanner)
{
    static const char letters[] = "\"\\nrt0";
    static const char meanings[] = "\"\\\n\r\t\0";
    size_t start = scanner->at;
    char letter = start + 1 < scanner->length ? scanner->raw[start + 1] : '\0';
    const char *found = letter == '\0' ? NULL : strchr(letters, letter);

    if (found != NULL) {
        scanner->at += 2;
        return emit(scanner, meanings[found - letters], start);
    }
    if (letter == 'x' && start + 3 < scanner->length) {
        int high = hex_digit(scanner->raw[start + 2]);
        int low = hex_digit(scanner->raw[start + 3]);

        if (high >= 0 && low >= 0) {
            scanner->at += 4;
            return emit(scanner, (char)(high * 16 + low), start);
        }
    }
    return report(scanner, TOPIC_SYNTAX, start, letter == '\0' ? 1 : 2,
                  "inside quotes a backslash is followed by \" \\ n r t 0 or xNN");
}

static bool emit_variable(struct scanner *scanner, const char *value, size_t column)
{
    for (; *value != '\0'; value++) {
        if (!emit(scanner, *value, column))
            return false;
    }
    return true;
}

/* The message of ${NAME:?message}, which runs from `start` to the closing bracket. */
static bool report_wanted(struct scanner *scanner, const char *name, size_t dollar, size_t start)
{
    const char *bracket = memchr(scanner->raw + start, '}', scanner->length - start);
    size_t end = bracket == NULL ? scanner->length : (size_t)(bracket - scanner->raw);
    struct origin origin = *scanner->origin;

    origin.column += (unsigned)dollar;
    origin.length = (unsigned)(end + 1 - dollar);
    if (end == start)
        diagnostics_error(scanner->diagnostics, TOPIC_VARIABLE, &origin, "${%s} must be set", name);
    else
        diagnostics_error(scanner->diagnostics, TOPIC_VARIABLE, &origin, "${%s}: %.*s", name,
                          (int)(end - start), scanner->raw + start);
    return false;
}

static bool report_unset(struct scanner *scanner, const char *name, size_t dollar)
{
    struct origin origin = *scanner->origin;

    origin.column += (unsigned)dollar;
    origin.length = (unsigned)strlen(name) + 3;
    diagnostics_error(scanner->diagnostics, TOPIC_VARIABLE, &origin,
                      "${%s} is not set; write ${%s:-default} or export it", name, name);
    return false;
}

/* What stands between the name and the closing bracket, from its first byte on. */
static bool read_form(struct scanner *scanner, const char *name, size_t dollar)
{
    const char *value = getenv(name);
    bool counts_empty = scanner->raw[scanner->at] == ':';
    size_t sign = scanner->at + (counts_empty ? 1 : 0);
    char form = sign < scanner->length ? scanner->raw[sign] : '\0';
    bool is_missing = value == NULL || (counts_empty && *value == '\0');

    if (form == '\0' || strchr("-?+", form) == NULL)
        return report(
            scanner, TOPIC_VARIABLE, dollar, sign + 1 - dollar,
            "a variable is ${NAME}, ${NAME:-default}, ${NAME:?message} or ${NAME:+other}");
    scanner->at = sign + 1;
    if (form == '?' && is_missing)
        return report_wanted(scanner, name, dollar, scanner->at);
    if (form != '+' && !is_missing && !emit_variable(scanner, value, dollar))
        return false;
    scanner->is_in_alternative = true;
    scanner->is_alternative_used = form == '+' ? !is_missing : form == '-' && is_missing;
    scanner->alternative_start = dollar;
    return true;
}

/* A variable or a doubled dollar sign, from its first '$'. */
static bool read_dollar(struct scanner *scanner)
{
    char name[VARIABLE_MAX + 1];
    size_t dollar = scanner->at;
    size_t length = 0;
    char next = dollar + 1 < scanner->length ? scanner->raw[dollar + 1] : '\0';

    if (next == '$') {
        scanner->at += 2;
        return emit(scanner, '$', dollar);
    }
    if (next != '{')
        return report(scanner, TOPIC_VARIABLE, dollar, 1,
                      "write $$ for a dollar sign, or ${NAME} for a variable");
    if (scanner->is_in_alternative)
        return report(scanner, TOPIC_VARIABLE, dollar, 2,
                      "a variable cannot stand inside another one");
    scanner->at += 2;
    while (scanner->at < scanner->length && length < VARIABLE_MAX &&
           (length == 0 ? is_name_start(scanner->raw[scanner->at])
                        : is_name_byte(scanner->raw[scanner->at])))
        name[length++] = scanner->raw[scanner->at++];
    name[length] = '\0';
    if (scanner->at == scanner->length)
        return report(scanner, TOPIC_VARIABLE, dollar, scanner->length - dollar,
                      "this variable lacks its '}'");
    if (length == 0)
        return report(scanner, TOPIC_VARIABLE, dollar, scanner->at + 1 - dollar,
                      "a variable's name has letters, digits and _ and starts with no digit");
    if (scanner->raw[scanner->at] != '}')
        return read_form(scanner, name, dollar);
    scanner->at++;
    const char *value = getenv(name);
    return value == NULL ? report_unset(scanner, name, dollar)
                         : emit_variable(scanner, value, dollar);
}

static bool close_quote(struct scanner *scanner)
{
    struct value_text *out = scanner->out;
    size_t quote = scanner->at++;
    size_t before = out->length;
    char next = scanner->at < scanner->length ? scanner->raw[scanner->at] : ' ';

    /* An empty text is a word, too. */
    if (scanner->is_quote_empty && !emit(scanner, '\0', quote))
        return false;
    if (out->length > before)
        out->bytes[before].is_empty = true;
    scanner->is_quoted = false;
    if (strchr(" \t,", next) == NULL)
        return report(scanner, TOPIC_SYNTAX, scanner->at, 1,
                      "a blank or a comma must follow the closing quote");
    return true;
}

static bool open_quote(struct scanner *scanner)
{
    char before = scanner->at == 0 ? ' ' : scanner->raw[scanner->at - 1];

    if (strchr(" \t,", before) == NULL)
        return report(scanner, TOPIC_SYNTAX, scanner->at, 1,
                      "a quote inside a word: put the whole value in quotes and write \\\"");
    scanner->at++;
    scanner->is_quoted = true;
    scanner->is_quote_empty = true;
    scanner->quotes++;
    return true;
}

static bool read_next(struct scanner *scanner)
{
    char byte = scanner->raw[scanner->at];

    if (byte == '}' && scanner->is_in_alternative) {
        scanner->is_in_alternative = false;
        scanner->at++;
        return true;
    }
    if (byte == '"')
        return scanner->is_quoted ? close_quote(scanner) : open_quote(scanner);
    if (byte == '$') {
        scanner->has_bare |= !scanner->is_quoted;
        return read_dollar(scanner);
    }
    if (byte == '\\' && scanner->is_quoted)
        return read_escape(scanner);
    scanner->has_bare |= !scanner->is_quoted;
    return emit(scanner, byte, scanner->at++);
}

bool value_text_read(struct value_text *text, const char *raw, const struct origin *origin,
                     struct diagnostics *diagnostics)
{
    struct scanner scanner = {.out = text,
                              .raw = raw,
                              .length = strlen(raw),
                              .origin = origin,
                              .diagnostics = diagnostics};

    *text = (struct value_text){0};
    while (scanner.at < scanner.length) {
        if (!read_next(&scanner))
            return false;
    }
    if (scanner.is_quoted)
        return report(&scanner, TOPIC_SYNTAX, 0, scanner.length,
                      "this value lacks its closing '\"'");
    if (scanner.is_in_alternative)
        return report(&scanner, TOPIC_VARIABLE, scanner.alternative_start,
                      scanner.length - scanner.alternative_start, "this variable lacks its '}'");
    text->is_quoted = scanner.quotes == 1 && !scanner.has_bare;
    return true;
}

void value_text_release(struct value_text *text)
{
    free(text->bytes);
    *text = (struct value_text){0};
}
