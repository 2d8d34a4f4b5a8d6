/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_write.c - commands that change a pool or a server.
 */
#include "admin/ctl_write.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

bool ctl_is_plain_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_';
}

void ctl_append_escaped(struct text *text, const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++)
        text_append_format(text, ctl_is_plain_byte(name[i]) ? "%c" : "%%%02X",
                           (unsigned char)name[i]);
}

static struct text begin_path(struct ctl_write *write, const char *pool, size_t length)
{
    struct text path = text_over(write->path, sizeof(write->path));

    text_append(&path, "/api/v1/pools/");
    ctl_append_escaped(&path, pool, length);
    return path;
}

/* A number of few digits; the API knows which ones it takes. */
static bool is_number(const char *word)
{
    size_t length = strspn(word, "0123456789");

    return length > 0 && length < 9 && word[length] == '\0';
}

static bool write_state(struct ctl_write *write, int count, char *const *words)
{
    struct text body = text_over(write->body, sizeof(write->body));

    if (count == 2 && strcmp(words[0], "weight") == 0 && is_number(words[1]))
        text_append_format(&body, "{\"weight\":%ld}", strtol(words[1], NULL, 10));
    else if (count == 1 && (strcmp(words[0], "up") == 0 || strcmp(words[0], "drain") == 0 ||
                            strcmp(words[0], "maint") == 0))
        text_append_format(&body, "{\"state\":\"%s\"}", words[0]);
    else
        return false;
    return true;
}

static bool write_server(struct ctl_write *write, int count, char *const *words,
                         struct error *error)
{
    const char *slash = count > 0 ? strchr(words[0], '/') : NULL;
    struct text path;

    if (slash == NULL || slash == words[0] || slash[1] == '\0' ||
        !write_state(write, count - 1, words + 1))
        return error_set(error, EX_USAGE, "'server' takes POOL/NAME up|drain|maint|weight N");
    path = begin_path(write, words[0], (size_t)(slash - words[0]));
    text_append(&path, "/servers/");
    ctl_append_escaped(&path, slash + 1, strlen(slash + 1));
    return !path.is_cut || error_set(error, EX_USAGE, "'%.64s' is longer than any name", words[0]);
}

static bool write_pool(struct ctl_write *write, int count, char *const *words, struct error *error)
{
    struct text path;

    if (count != 2 || words[0][0] == '\0' ||
        (strcmp(words[1], "pause") != 0 && strcmp(words[1], "resume") != 0))
        return error_set(error, EX_USAGE, "'pool' takes NAME pause|resume");
    write->body[0] = '\0';
    path = begin_path(write, words[0], strlen(words[0]));
    text_append_format(&path, "/%s", words[1]);
    return !path.is_cut || error_set(error, EX_USAGE, "'%.64s' is longer than any name", words[0]);
}

bool ctl_write_request(struct ctl_write *write, const char *command, int count, char *const *words,
                       struct error *error)
{
    if (strcmp(command, "server") == 0)
        return write_server(write, count, words, error);
    return write_pool(write, count, words, error);
}
