/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_hello.c - joins the records into one message, then walks its fields.
 *
 * Records are judged strictly from left to right, and never beyond the end of the message, so that
 * more bytes never change a verdict that fewer of them gave.
 */
#include "tls/client_hello.h"

#include <string.h>

#include "core/base.h"
#include "core/fault.h"
#include "core/text.h"

/* RFC 8446, 5.1 and 4: type, version, length; type, length. */
#define RECORD_HEADER_BYTES 5
#define RECORD_BYTES 16384
#define MESSAGE_HEADER_BYTES 4

#define RANDOM_BYTES 32
#define SESSION_ID_BYTES 32

enum { RECORD_CHANGE_CIPHER_SPEC = 20, RECORD_ALERT, RECORD_HANDSHAKE, RECORD_APPLICATION_DATA };

enum { MESSAGE_CLIENT_HELLO = 1 };

enum {
    EXTENSION_SERVER_NAME = 0,
    EXTENSION_ALPN = 16,
    EXTENSION_PRE_SHARED_KEY = 41,
    EXTENSION_TYPES = 0x10000,
};

static const char partial_detail[] = "the ClientHello is not complete";
static const char no_tls_detail[] = "the first bytes are no TLS record";
static const char http_detail[] = "the client speaks plain HTTP";
static const char proxy_detail[] = "the client sends a PROXY header";
static const char misfit_detail[] = "a length in the ClientHello does not fit";

/* How connections begin that are meant for something else. No word begins as a handshake record. */
static const struct {
    const char *bytes;
    size_t length;
    const char *detail;
} strangers[] = {
#define WORD(bytes, detail)                                                                        \
    {                                                                                              \
        bytes, sizeof(bytes) - 1, detail                                                           \
    }
    WORD("GET ", http_detail),
    WORD("HEAD ", http_detail),
    WORD("POST ", http_detail),
    WORD("PUT ", http_detail),
    WORD("DELETE ", http_detail),
    WORD("OPTIONS ", http_detail),
    WORD("PATCH ", http_detail),
    WORD("TRACE ", http_detail),
    WORD("CONNECT ", http_detail),
    WORD("PRI * HTTP/2", http_detail),
    WORD("SSH-", "the client speaks SSH"),
    WORD("PROXY ", proxy_detail),
    WORD("\r\n\r\n\0\r\nQUIT\n", proxy_detail),
    WORD("\x03\0\0", "the client speaks RDP"),
    WORD("\0\0\0\x08\x04\xd2\x16\x2f", "the client asks for TLS as PostgreSQL does"),
    WORD("\x14\x03", "the client sends a TLS change_cipher_spec instead of a ClientHello"),
    WORD("\x15\x03", "the client sends a TLS alert instead of a ClientHello"),
    WORD("\x17\x03", "the client sends TLS application data instead of a ClientHello"),
#undef WORD
};

/* ---- fields -----------------------------------------------------------------------------------
 */

/* What is left to read of an enclosing field. */
struct span {
    const unsigned char *at;
    size_t left;
};

static bool take(struct span *from, size_t length, struct span *part)
{
    if (length > from->left)
        return false;
    *part = (struct span){from->at, length};
    from->at += length;
    from->left -= length;
    return true;
}

/* A number of `width` bytes, the highest first. */
static bool take_number(struct span *from, size_t width, size_t *number)
{
    struct span digits;

    if (!take(from, width, &digits))
        return false;
    *number = 0;
    for (size_t i = 0; i < width; i++)
        *number = *number << 8 | digits.at[i];
    return true;
}

/* A vector: its length in `width` bytes, then its bytes. */
static bool take_vector(struct span *from, size_t width, struct span *part)
{
    size_t length;

    return take_number(from, width, &length) && take(from, length, part);
}

/* Whether all of the field is one vector. */
static bool is_vector(struct span field, size_t width, struct span *part)
{
    return take_vector(&field, width, part) && field.left == 0;
}

/* ---- extensions: NULL, or what is wrong -------------------------------------------------------
 */

static const char *read_name(struct span body, struct client_hello *hello)
{
    struct span list;
    struct span name;
    size_t type;

    if (!is_vector(body, 2, &list) || !take_number(&list, 1, &type))
        return "a length in the ClientHello's server_name does not fit";
    if (type != 0)
        return "the ClientHello's server_name is no host name";
    if (!take_vector(&list, 2, &name))
        return "a length in the ClientHello's server_name does not fit";
    if (list.left != 0)
        return "the ClientHello asks for more than one name";
    if (name.left >= CLIENT_HELLO_NAME_BYTES)
        return "the name that the client asks for is longer than 255 bytes";
    for (size_t i = 0; i < name.left; i++) {
        unsigned char byte = name.at[i];

        if ((byte <= ' ' || byte > '~') && !fault_is(FAULT_HELLO_ANY_BYTE))
            return "the name that the client asks for holds a byte that no name has";
        hello->name[i] = text_lower((char)byte);
    }
    if (name.left > 0 && name.at[name.left - 1] == '.')
        name.left--;
    hello->name[name.left] = '\0';
    return NULL;
}

static const char *read_alpn(struct span body, struct client_hello *hello)
{
    struct span list;
    struct span protocol;

    if (!is_vector(body, 2, &list) || list.left == 0)
        return "a length in the ClientHello's protocols (ALPN) does not fit";
    /* What fits is kept, always from the first one on. */
    for (bool fits = true; list.left > 0;) {
        if (!take_vector(&list, 1, &protocol) || protocol.left == 0)
            return "a length in the ClientHello's protocols (ALPN) does not fit";
        fits = fits && 1 + protocol.left <= CLIENT_HELLO_ALPN_BYTES - hello->alpn_size;
        if (fits) {
            memcpy(hello->alpn + hello->alpn_size, protocol.at - 1, 1 + protocol.left);
            hello->alpn_size += 1 + protocol.left;
        }
    }
    return NULL;
}

/* Which types were there already. */
struct seen {
    unsigned char bits[EXTENSION_TYPES / 8];
};

static bool see(struct seen *seen, size_t type)
{
    unsigned char bit = (unsigned char)(1 << type % 8);
    bool is_first = (seen->bits[type / 8] & bit) == 0;

    seen->bits[type / 8] |= bit;
    return is_first;
}

static const char *read_extensions(struct span list, struct client_hello *hello)
{
    struct seen seen = {{0}};
    const char *fault = NULL;

    while (list.left > 0 && fault == NULL) {
        struct span body;
        size_t type;

        if (!take_number(&list, 2, &type) || !take_vector(&list, 2, &body))
            return "a length in the ClientHello's extensions does not fit";
        if (!see(&seen, type))
            return "the ClientHello has an extension twice";
        if (type == EXTENSION_SERVER_NAME)
            fault = read_name(body, hello);
        else if (type == EXTENSION_ALPN)
            fault = read_alpn(body, hello);
        else if (type == EXTENSION_PRE_SHARED_KEY && list.left > 0)
            fault = "the ClientHello's pre_shared_key is not the last extension";
    }
    return fault;
}

/* The message without its header (RFC 8446, 4.1.2; RFC 5246, 7.4.1.2). */
static const char *read_message(struct span message, struct client_hello *hello)
{
    struct span ignored;
    struct span session_id;
    struct span ciphers;
    struct span compressions;
    struct span extensions;

    if (!take(&message, 2 + RANDOM_BYTES, &ignored) || !take_vector(&message, 1, &session_id) ||
        session_id.left > SESSION_ID_BYTES || !take_vector(&message, 2, &ciphers) ||
        !take_vector(&message, 1, &compressions))
        return misfit_detail;
    if (ciphers.left == 0 || ciphers.left % 2 != 0 || compressions.left == 0)
        return "the ClientHello offers no ciphers or no compression method";
    /* Before TLS 1.2 extensions may be missing altogether. */
    if (message.left == 0)
        return NULL;
    if (!is_vector(message, 2, &extensions))
        return misfit_detail;
    return read_extensions(extensions, hello);
}

/* ---- records ----------------------------------------------------------------------------------
 */

/* The message as far as it was received. */
struct joined {
    const unsigned char *bytes; /* in the only record so far, or `memory` */
    size_t size;
    size_t length; /* of the whole message, once its header is there; 0: not known yet */
    unsigned char memory[CLIENT_HELLO_BYTES];
};

static enum client_hello_verdict broken(struct client_hello *hello, const char *detail)
{
    hello->detail = detail;
    return CLIENT_HELLO_BROKEN;
}

static enum client_hello_verdict too_large(struct client_hello *hello, const char *detail)
{
    hello->detail = detail;
    return CLIENT_HELLO_TOO_LARGE;
}

/* Adds a record's bytes and looks at the message's header. PARTIAL: go on. */
static enum client_hello_verdict join(struct joined *joined, const unsigned char *bytes,
                                      size_t size, struct client_hello *hello)
{
    if (joined->size == 0) {
        joined->bytes = bytes;
    } else {
        size_t room = CLIENT_HELLO_BYTES - joined->size;

        if (joined->bytes != joined->memory)
            joined->bytes = memcpy(joined->memory, joined->bytes, joined->size);
        size = size < room ? size : room;
        memcpy(joined->memory + joined->size, bytes, size);
    }
    joined->size += size;
    if (joined->size > 0 && joined->bytes[0] != MESSAGE_CLIENT_HELLO)
        return broken(hello, "the client begins with another handshake message than a ClientHello");
    if (joined->size >= MESSAGE_HEADER_BYTES) {
        struct span length = {joined->bytes + 1, 3};

        if (!take_number(&length, 3, &joined->length) ||
            joined->length > CLIENT_HELLO_BYTES - MESSAGE_HEADER_BYTES)
            return too_large(hello, "the ClientHello is longer than 16384 bytes");
        joined->length += MESSAGE_HEADER_BYTES;
        if (joined->size >= joined->length)
            return CLIENT_HELLO_WHOLE;
    }
    return CLIENT_HELLO_PARTIAL;
}

/* WHOLE: the message is all there, what it says is still to be read. */
static enum client_hello_verdict join_records(struct span rest, struct joined *joined,
                                              struct client_hello *hello)
{
    enum client_hello_verdict verdict = CLIENT_HELLO_PARTIAL;

    while (verdict == CLIENT_HELLO_PARTIAL && rest.left > 0) {
        struct span part;
        size_t length;

        if (rest.at[0] != RECORD_HANDSHAKE)
            return broken(hello, "another kind of record comes amid the ClientHello");
        if (rest.left > 1 && rest.at[1] != 3)
            return broken(hello, "a record amid the ClientHello is of no TLS version");
        if (!take(&rest, RECORD_HEADER_BYTES, &part))
            break;
        length = (size_t)part.at[3] << 8 | part.at[4];
        if (length == 0)
            return broken(hello, "a TLS record is empty");
        if (length > RECORD_BYTES)
            return too_large(hello, "a TLS record is longer than 16384 bytes");
        length = length < rest.left ? length : rest.left;
        if (take(&rest, length, &part))
            verdict = join(joined, part.at, part.left, hello);
    }
    return verdict;
}

/* Whether the bytes begin as a handshake record does; PARTIAL: yes, as far as they go. */
static enum client_hello_verdict look_at_start(const unsigned char *bytes, size_t size,
                                               struct client_hello *hello)
{
    enum client_hello_verdict verdict = CLIENT_HELLO_NOT_TLS;

    if (size == 0 || (bytes[0] == RECORD_HANDSHAKE && (size == 1 || bytes[1] == 3)))
        return CLIENT_HELLO_PARTIAL;
    hello->detail = no_tls_detail;
    if (bytes[0] & 0x80) {
        /* A record header of two bytes, then the message's type (RFC 5246, E.2). */
        if (size < 3)
            return CLIENT_HELLO_PARTIAL;
        if (bytes[2] == MESSAGE_CLIENT_HELLO)
            hello->detail = "the client sends an SSLv2 hello";
        return CLIENT_HELLO_NOT_TLS;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(strangers); i++) {
        size_t length = strangers[i].length;

        if (memcmp(bytes, strangers[i].bytes, size < length ? size : length) != 0)
            continue;
        if (size < length) {
            verdict = CLIENT_HELLO_PARTIAL;
        } else {
            hello->detail = strangers[i].detail;
            return CLIENT_HELLO_NOT_TLS;
        }
    }
    return verdict;
}

enum client_hello_verdict client_hello_read(const unsigned char *bytes, size_t size,
                                            struct client_hello *hello)
{
    size_t most = size < CLIENT_HELLO_RAW_BYTES ? size : CLIENT_HELLO_RAW_BYTES;
    enum client_hello_verdict verdict;
    struct joined joined;
    const char *fault;

    joined.bytes = NULL;
    joined.size = joined.length = 0;
    hello->name[0] = '\0';
    hello->alpn_size = 0;
    hello->detail = NULL;
    verdict = look_at_start(bytes, most, hello);
    if (verdict == CLIENT_HELLO_PARTIAL && most > 0 && bytes[0] == RECORD_HANDSHAKE)
        verdict = join_records((struct span){bytes, most}, &joined, hello);
    if (verdict == CLIENT_HELLO_PARTIAL) {
        if (size >= CLIENT_HELLO_RAW_BYTES)
            return too_large(hello, "the ClientHello takes more than 65536 bytes of records");
        hello->detail = partial_detail;
    }
    if (verdict != CLIENT_HELLO_WHOLE)
        return verdict;
    fault = read_message(
        (struct span){joined.bytes + MESSAGE_HEADER_BYTES, joined.length - MESSAGE_HEADER_BYTES},
        hello);
    if (fault != NULL) {
        hello->name[0] = '\0';
        hello->alpn_size = 0;
        return broken(hello, fault);
    }
    hello->detail = hello->name[0] == '\0' ? "a ClientHello that asks for no name"
                                           : "a ClientHello that asks for a name";
    return CLIENT_HELLO_WHOLE;
}
