/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_bytes.c - bytes to escapes and back.
 */
#include "config/value_bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Escapes of one letter, and the bytes that they stand for. */
static const char letters[] = "nrt\"\\";
static const char meanings[] = "\n\r\t\"\\";

/* The longest escape: \xNN. */
#define ESCAPE_BYTES 4

static size_t escape(char byte, char *text)
{
    unsigned char value = (unsigned char)byte;
    const char *meaning = byte == '\0' ? NULL : strchr(meanings, byte);

    if (meaning != NULL) {
        text[0] = '\\';
        text[1] = letters[meaning - meanings];
        return 2;
    }
    if (value < 0x20 || value > 0x7e)
        return (size_t)sprintf(text, "\\x%02x", value);
    text[0] = byte;
    return 1;
}

bool value_bytes_parse(const char *bytes, size_t size, struct item *item,
                       struct diagnostics *diagnostics)
{
    char *text = malloc(ESCAPE_BYTES * size + 1);
    size_t length = 0;

    if (text == NULL)
        return diagnostics_out_of_memory(diagnostics);
    for (size_t i = 0; i < size; i++)
        length += escape(bytes[i], text + length);
    text[length] = '\0';
    free(item->text);
    item->text = text;
    return true;
}

static unsigned char digit_of(char digit)
{
    return (unsigned char)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

unsigned char *value_bytes_of(const char *text, size_t *size)
{
    unsigned char *bytes = malloc(strlen(text) + 1);

    *size = 0;
    if (bytes == NULL)
        return NULL;
    while (*text != '\0') {
        if (*text != '\\') {
            bytes[(*size)++] = (unsigned char)*text++;
        } else if (text[1] == 'x') {
            bytes[(*size)++] = (unsigned char)(digit_of(text[2]) << 4 | digit_of(text[3]));
            text += ESCAPE_BYTES;
        } else {
            bytes[(*size)++] = (unsigned char)meanings[strchr(letters, text[1]) - letters];
            text += 2;
        }
    }
    return bytes;
}
