/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ini_reader.c - the lexer in front of inih.
 *
 * ini_parse_stream() asks read_line() for each line and, when that is an assignment, calls
 * handle_assignment() before it asks for the next; so the position the reader keeps is that of the
 * line being handled (INI_USE_STACK mode of Debian's libinih).
 */
#include "config/ini_reader.h"

#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"

/* What inih needs for a line of INI_LINE_MAX bytes: with its newline and NUL. */
#define INIH_LINE (INI_LINE_MAX + 2)

struct ini_stream {
    const struct source_file *file;
    const struct ini_events *events;
    struct diagnostics *diagnostics;
    const char *next; /* where the next line starts */
    const char *end;
    unsigned line;     /* number of the current one, from 1 */
    bool has_section;  /* a good header was seen */
    bool is_skipping;  /* behind a broken header */
    struct origin key; /* of the current assignment */
    struct origin value;
};

static struct origin place(const struct ini_stream *stream, size_t offset, size_t length)
{
    return (struct origin){.file = stream->file,
                           .line = stream->line,
                           .column = (unsigned)offset + 1,
                           .length = (unsigned)length};
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static bool is_key_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '_';
}

static bool is_name_byte(char byte)
{
    return is_key_byte(byte) || (byte >= 'A' && byte <= 'Z') || byte == '.' || byte == '-';
}

/* The length of the character that starts here; 0 when it is not UTF-8 (RFC 3629) or a control
   character. */
static size_t character_length(const unsigned char *bytes, size_t room)
{
    unsigned char first = bytes[0];
    size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

    if (first == '\t')
        return 1;
    if (first < 0x20 || first == 0x7f || (first >= 0x80 && first < 0xc2) || first > 0xf4 ||
        length > room)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    }
    bool is_control = first == 0xc2 && bytes[1] < 0xa0;
    bool is_overlong = (first == 0xe0 && bytes[1] < 0xa0) || (first == 0xf0 && bytes[1] < 0x90);
    bool is_surrogate = first == 0xed && bytes[1] >= 0xa0;
    bool is_beyond = first == 0xf4 && bytes[1] >= 0x90;
    bool is_mark = first == 0xef && bytes[1] == 0xbb && bytes[2] == 0xbf;
    return is_control || is_overlong || is_surrogate || is_beyond || is_mark ? 0 : length;
}

static bool check_bytes(struct ini_stream *stream, const char *line, size_t length)
{
    struct origin origin = place(stream, 0, 0);

    if (length > INI_LINE_MAX) {
        diagnostics_error(stream->diagnostics, TOPIC_BYTES, &origin,
                          "this line has %zu bytes; the limit is %d", length, INI_LINE_MAX);
        return false;
    }
    for (size_t i = 0; i < length;) {
        const unsigned char *bytes = (const unsigned char *)line + i;
        size_t step = character_length(bytes, length - i);

        if (step == 0) {
            origin = place(stream, i, 1);
            diagnostics_error(
                stream->diagnostics, TOPIC_BYTES, &origin,
                bytes[0] < 0x20 || bytes[0] == 0x7f
                    ? "a control byte (0x%02x)%s"
                    : "byte 0x%02x is not allowed here: not a printable UTF-8 character%s",
                bytes[0],
                bytes[0] == '\r' ? "; lines end in LF or CRLF"
                : bytes[0] == 0  ? "; is this a text file in UTF-8?"
                                 : "");
            return false;
        }
        i += step;
    }
    return true;
}

/* Whether a comment starts at `i`: '#' or ';' behind a blank or at the start of the line. */
static bool starts_comment(const char *line, size_t i)
{
    return (line[i] == '#' || line[i] == ';') && (i == 0 || is_blank(line[i - 1]));
}

/*
 * Where the value that starts at `start` ends: at the comment or the end of the line, without the
 * blanks before. A quote opens at the start of a word and closes at the next one that is not
 * escaped.
 */
static size_t value_end(const char *line, size_t start, size_t length)
{
    bool is_quoted = false;
    size_t end = start;

    for (size_t i = start; i < length; i++) {
        if (is_quoted && line[i] == '\\' && i + 1 < length)
            i++;
        else if (is_quoted)
            is_quoted = line[i] != '"';
        else if (starts_comment(line, i))
            break;
        else if (line[i] == '"' && (i == start || is_blank(line[i - 1]) || line[i - 1] == ','))
            is_quoted = true;
        if (!is_blank(line[i]) || is_quoted)
            end = i + 1;
    }
    return end;
}

static bool header_error(struct ini_stream *stream, size_t offset, size_t length, const char *text)
{
    struct origin origin = place(stream, offset, length);

    stream->is_skipping = true;
    diagnostics_error(stream->diagnostics, TOPIC_SYNTAX, &origin, "%s", text);
    return false;
}

/* The words inside the brackets; false when they are not one or two. */
static bool split_header(const char *inside, size_t length, char type[INI_NAME_MAX + 1],
                         char name[INI_NAME_MAX + 1])
{
    char *words[2] = {type, name};
    size_t i = 0;

    type[0] = name[0] = '\0';
    for (unsigned word = 0; word < 2; word++) {
        size_t used = 0;

        while (i < length && is_blank(inside[i]))
            i++;
        while (i < length && !is_blank(inside[i])) {
            if (!is_name_byte(inside[i]) || used == INI_NAME_MAX)
                return false;
            words[word][used++] = inside[i++];
        }
        words[word][used] = '\0';
    }
    while (i < length && is_blank(inside[i]))
        i++;
    return i == length && type[0] != '\0';
}

/* A header line from its '[' at `start`. What inih gets to see goes to `out`. */
static bool read_header(struct ini_stream *stream, const char *line, size_t start, size_t length,
                        struct text *out)
{
    char type[INI_NAME_MAX + 1];
    char name[INI_NAME_MAX + 1];
    const char *bracket = memchr(line + start, ']', length - start);

    if (bracket == NULL)
        return header_error(stream, start, length - start, "this header lacks its ']'");
    size_t close = (size_t)(bracket - line);
    size_t after = close + 1;
    while (after < length && is_blank(line[after]))
        after++;
    if (after < length && !starts_comment(line, after))
        return header_error(stream, after, length - after,
                            "nothing but a comment may follow a header");
    if (!split_header(line + start + 1, close - start - 1, type, name))
        return header_error(stream, start, close + 1 - start,
                            "a header is [type] or [type name] with a name of 1 to 32 characters "
                            "of A-Z a-z 0-9 _ . -");
    struct origin origin = place(stream, start, close + 1 - start);
    stream->has_section = true;
    stream->is_skipping = false;
    stream->events->section(stream->events->user, type, name[0] == '\0' ? NULL : name, &origin);
    text_append_format(out, "[%.16s]", type);
    return true;
}

static bool line_error(struct ini_stream *stream, size_t offset, size_t length, const char *text)
{
    struct origin origin = place(stream, offset, length);

    diagnostics_error(stream->diagnostics, TOPIC_SYNTAX, &origin, "%s", text);
    return false;
}

/* An assignment whose key starts at `start`. */
static bool read_assignment(struct ini_stream *stream, const char *line, size_t start,
                            size_t length, struct text *out)
{
    size_t key_end = start;

    while (key_end < length && is_key_byte(line[key_end]))
        key_end++;
    size_t equals = key_end;
    while (equals < length && is_blank(line[equals]))
        equals++;
    if (equals == length || line[equals] != '=') {
        size_t end = value_end(line, start, length);

        if (equals < length && line[equals] == ':' && key_end > start)
            return line_error(stream, equals, 1, "a key is followed by '=', not by ':'");
        if (memchr(line + start, '=', length - start) == NULL)
            return line_error(stream, start, end - start, "this line has no '='");
        return line_error(stream, key_end, 1, "a key has a-z, 0-9 and _ only");
    }
    if (key_end == start)
        return line_error(stream, equals, 1, "there is no key before '='");
    if (key_end - start > INI_NAME_MAX)
        return line_error(stream, start, key_end - start, "no key is that long");
    if (!stream->has_section)
        return line_error(stream, start, key_end - start, "this key stands before any [section]");
    size_t value = equals + 1;
    while (value < length && is_blank(line[value]))
        value++;
    if (value < length && starts_comment(line, value))
        value = length;
    size_t end = value_end(line, value, length);
    stream->key = place(stream, start, key_end - start);
    stream->value = end > value ? place(stream, value, end - value) : place(stream, equals, 1);
    text_append_bytes(out, line + start, key_end - start);
    text_append_char(out, '=');
    text_append_bytes(out, line + value, end - value);
    return true;
}

/* One line of the file to one line for inih, which is empty when there is nothing for it to do. */
static void lex_line(struct ini_stream *stream, const char *line, size_t length, struct text *out)
{
    size_t start = 0;

    while (start < length && is_blank(line[start]))
        start++;
    if (!check_bytes(stream, line, length)) {
        if (start < length && line[start] == '[')
            stream->is_skipping = true;
        return;
    }
    if (start == length || line[start] == '#' || line[start] == ';')
        return;
    if (line[start] == '[')
        (void)read_header(stream, line, start, length, out);
    else if (!stream->is_skipping)
        (void)read_assignment(stream, line, start, length, out);
}

/* fgets(3) for inih. */
static char *read_line(char *buffer, int size, void *user)
{
    struct ini_stream *stream = user;
    struct text out = text_over(buffer, (size_t)size);

    if (stream->next == stream->end)
        return NULL;
    const char *line = stream->next;
    const char *newline = memchr(line, '\n', (size_t)(stream->end - line));
    size_t length = (size_t)((newline == NULL ? stream->end : newline) - line);

    stream->next = newline == NULL ? stream->end : newline + 1;
    stream->line++;
    if (newline != NULL && length > 0 && line[length - 1] == '\r')
        length--;
    lex_line(stream, line, length, &out);
    text_append_char(&out, '\n');
    return buffer;
}

static int handle_assignment(void *user, const char *section, const char *key, const char *value)
{
    struct ini_stream *stream = user;

    stream->events->assignment(stream->events->user, key, value, &stream->key, &stream->value);
    return 1;
}

void ini_read(const struct source_file *file, const struct ini_events *events,
              struct diagnostics *diagnostics)
{
    struct ini_stream stream = {
        .file = file,
        .events = events,
        .diagnostics = diagnostics,
        .next = file->text,
        .end = file->text + file->length,
    };

    /* Process-wide switches of the library; nothing else here uses it. */
    ini_use_stack = true;
    ini_max_line = INIH_LINE;
    ini_allow_multiline = false;
    ini_allow_inline_comments = false;
    ini_allow_bom = false;
    ini_allow_no_value = false;
    ini_stop_on_first_error = false;

    ini_parse_stream(read_line, &stream, handle_assignment, &stream);
}
