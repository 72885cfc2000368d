#include "http/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

enum { V1_SIZE_MAX = 107, V2_HEAD_SIZE = 16 };

static const char v1_start[6] = {'P', 'R', 'O', 'X', 'Y', ' '};
static const char v2_start[12] = {'\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

static bool begins_with(const char *data, size_t size, const char *start, size_t start_size)
{
	return memcmp(data, start, size < start_size ? size : start_size) == 0;
}

/* The next word of the line; words have one space between them. */
static struct slice take_word(struct slice *line)
{
	const char *space = memchr(line->data, ' ', line->size);
	struct slice word = {line->data, space ? (size_t)(space - line->data) : line->size};
	size_t taken = word.size + (space ? 1 : 0);

	*line = (struct slice){line->data + taken, line->size - taken};
	return word;
}

static bool is_port(struct slice text)
{
	unsigned port = 0;

	if (text.size == 0 || text.size > 5 || (text.size > 1 && text.data[0] == '0'))
		return false;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		port = port * 10 + (unsigned)(text.data[i] - '0');
	}
	return port <= 65535;
}

/* "TCP4 source destination port port", without its CR LF. */
static bool read_v1_line(struct slice line, struct address *source)
{
	struct slice family = take_word(&line);
	bool ipv4 = slice_equal(family, SLICE("TCP4"));
	struct address from, to;

	if (slice_equal(family, SLICE("UNKNOWN")))
		return true; /* what follows is to be ignored */
	if (!ipv4 && !slice_equal(family, SLICE("TCP6")))
		return false;
	struct slice from_text = take_word(&line), to_text = take_word(&line);
	/* An address of the other family, or one in brackets, is not what the protocol writes. */
	if (from_text.size == 0 || to_text.size == 0 || from_text.data[0] == '[' || to_text.data[0] == '[')
		return false;
	if ((memchr(from_text.data, ':', from_text.size) == NULL) != ipv4 || (memchr(to_text.data, ':', to_text.size) == NULL) != ipv4)
		return false;
	if (address_parse(from_text, &from) < 0 || address_parse(to_text, &to) < 0)
		return false;
	if (!is_port(take_word(&line)) || !is_port(line))
		return false;
	*source = from;
	return true;
}

static enum proxy_outcome read_v1(const char *data, size_t size, struct address *source, size_t *used)
{
	const char *end = memchr(data, '\n', size < V1_SIZE_MAX ? size : V1_SIZE_MAX);

	if (!end)
		return size < V1_SIZE_MAX ? PROXY_MORE : PROXY_MALFORMED;
	if (end < data + sizeof(v1_start) || end[-1] != '\r')
		return PROXY_MALFORMED;
	*used = (size_t)(end + 1 - data);
	struct slice line = {data + sizeof(v1_start), (size_t)(end - 1 - (data + sizeof(v1_start)))};
	return read_v1_line(line, source) ? PROXY_WHOLE : PROXY_MALFORMED;
}

static enum proxy_outcome read_v2(const char *data, size_t size, struct address *source, size_t *used)
{
	const uint8_t *bytes = (const uint8_t *)data;
	size_t length;

	if (size < V2_HEAD_SIZE)
		return PROXY_MORE;
	length = (size_t)bytes[14] << 8 | bytes[15];
	if (bytes[12] != 0x20 && bytes[12] != 0x21) /* version 2, LOCAL or PROXY */
		return PROXY_MALFORMED;
	if (V2_HEAD_SIZE + length > PROXY_SIZE_MAX)
		return PROXY_MALFORMED;
	*used = V2_HEAD_SIZE + length;
	if (bytes[12] == 0x21 && bytes[13] == 0x11) { /* TCP over IPv4: two addresses, two ports */
		struct sockaddr_in socket = {.sin_family = AF_INET};

		if (length < 12)
			return PROXY_MALFORMED;
		if (size < *used)
			return PROXY_MORE;
		memcpy(&socket.sin_addr, bytes + V2_HEAD_SIZE, 4);
		address_from_sockaddr((const struct sockaddr *)&socket, source);
	} else if (bytes[12] == 0x21 && bytes[13] == 0x21) { /* TCP over IPv6 */
		if (length < 36)
			return PROXY_MALFORMED;
		if (size < *used)
			return PROXY_MORE;
		memcpy(source->bytes, bytes + V2_HEAD_SIZE, 16);
	}
	return size < *used ? PROXY_MORE : PROXY_WHOLE;
}

enum proxy_outcome proxy_read(const char *data, size_t size, struct address *source, size_t *used)
{
	*used = 0;
	if (size == 0)
		return PROXY_MORE;
	if (begins_with(data, size, v1_start, sizeof(v1_start)))
		return read_v1(data, size, source, used);
	if (begins_with(data, size, v2_start, sizeof(v2_start)))
		return read_v2(data, size, source, used);
	return PROXY_MALFORMED;
}
