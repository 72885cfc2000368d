/*
 * One pass from left to right, each byte looked at once. A cursor runs over the bytes that are
 * there, never past the bounds' head_bytes; where it would have to read beyond them the answer is
 * MORE, or "too large" where the limit is the reason. So a beginning of a request can only give
 * MORE, BODY or the very fault that the whole would give, and the reader needs no memory of what it
 * saw before.
 *
 * Long runs (target, header values) are skipped eight bytes at a time with the usual arithmetic on
 * words; which character stopped the run is then looked at by itself. Classes of characters are one
 * table of bits, so that a rule is one line of it.
 */
#include "http/reader.h"

#include <stdint.h>

enum character {
	TOKEN = 1,  /* RFC 9110, section 5.6.2 */
	TARGET = 2, /* pchar, "/" and "?" of RFC 3986, but for "%" */
	HOST = 4,   /* reg-name and IP-literal of RFC 3986, but for "%"; no ":" */
	DIGIT = 8,
	HEX = 16,
};

#define LETTER_HEX (TOKEN | TARGET | HOST | HEX)
#define LETTER (TOKEN | TARGET | HOST)
#define NUMBER (TOKEN | TARGET | HOST | DIGIT | HEX)
#define OPEN (TOKEN | TARGET | HOST) /* marks that are allowed everywhere */

static const uint8_t characters[256] = {
	['0' ... '9'] = NUMBER,
	['a' ... 'f'] = LETTER_HEX,
	['A' ... 'F'] = LETTER_HEX,
	['g' ... 'z'] = LETTER,
	['G' ... 'Z'] = LETTER,
	['!'] = OPEN,
	['$'] = OPEN,
	['&'] = OPEN,
	['\''] = OPEN,
	['*'] = OPEN,
	['+'] = OPEN,
	['-'] = OPEN,
	['.'] = OPEN,
	['_'] = OPEN,
	['~'] = OPEN,
	['('] = TARGET | HOST,
	[')'] = TARGET | HOST,
	[','] = TARGET | HOST,
	[';'] = TARGET | HOST,
	['='] = TARGET | HOST,
	[':'] = TARGET,
	['@'] = TARGET,
	['/'] = TARGET,
	['?'] = TARGET,
	['#'] = TOKEN,
	['%'] = TOKEN,
	['^'] = TOKEN,
	['`'] = TOKEN,
	['|'] = TOKEN,
};

static bool is(char c, unsigned class)
{
	return characters[(unsigned char)c] & class;
}

struct reading {
	const char *start, *place, *end; /* end: of what is there, at most bounds->head_bytes from the start */
	const struct http_bounds *bounds;
	struct http_request *request;
	enum http_fault fault;
	/* Headers that only the reader looks at. */
	unsigned transfer_encodings;
	bool chunked, close, stays, wrong_expectation;
};

/* What a step says: go on, or the outcome of the whole. */
enum { GO_ON = -1 };

static int refuse(struct reading *r, enum http_fault fault)
{
	r->fault = fault;
	return HTTP_READ_FAULT;
}

static int need_more(struct reading *r)
{
	return (size_t)(r->end - r->start) >= r->bounds->head_bytes ? refuse(r, HTTP_FAULT_HEADERS_TOO_LARGE) : HTTP_READ_MORE;
}

/*
 * The first control character (below 0x20, or 0x7f) from `place`, or `end`. A byte of the word has
 * its top bit set in `low` where it is below 0x20, in `del` where it is 0x7f; a borrow can only
 * mark wrongly a byte above one that is marked rightly, and the lowest counts.
 */
static const char *skip_text(const char *place, const char *end)
{
	const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;

	while (end - place >= 8) {
		uint64_t word, del, marks;

		memcpy(&word, place, 8);
		del = word ^ (ones * 0x7f);
		marks = (((word - ones * 0x20) & ~word) | ((del - ones) & ~del)) & tops;
		if (marks) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
			return place + (__builtin_ctzll(marks) >> 3);
#else
			break;
#endif
		}
		place += 8;
	}
	while (place < end && (unsigned char)*place >= 0x20 && *place != 0x7f)
		place++;
	return place;
}

/* ASCII, `lower` in small letters; for words of letters and '-': nothing else folds to them. */
static bool folds_to(const char *text, const char *lower, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if ((text[i] | 0x20) != lower[i] || (lower[i] == '-' && text[i] != '-'))
			return false;
	}
	return true;
}

static bool is_word(struct slice text, struct slice lower)
{
	return text.size == lower.size && folds_to(text.data, lower.data, lower.size);
}

static enum http_method find_method(struct slice name)
{
	for (enum http_method method = HTTP_GET; method < HTTP_OTHER; method++) {
		const char *text = http_method_name(method);

		if (name.data[0] == text[0] && strlen(text) == name.size && memcmp(text, name.data, name.size) == 0)
			return method;
	}
	return HTTP_OTHER;
}

/* CR LF at the cursor. */
static int read_line_end(struct reading *r, enum http_fault fault)
{
	if (r->place == r->end)
		return need_more(r);
	if (*r->place != '\r')
		return refuse(r, fault);
	if (r->place + 1 == r->end)
		return need_more(r);
	if (r->place[1] != '\n')
		return refuse(r, fault);
	r->place += 2;
	return GO_ON;
}

static int read_method(struct reading *r)
{
	const char *start = r->place;

	while (r->place < r->end && is(*r->place, TOKEN))
		r->place++;
	if (r->place == r->end)
		return need_more(r);
	if (*r->place != ' ' || r->place == start)
		return refuse(r, HTTP_FAULT_REQUEST_LINE);
	r->request->method_name = (struct slice){start, (size_t)(r->place - start)};
	r->request->method = find_method(r->request->method_name);
	r->place++;
	return GO_ON;
}

/* "/path?query", or "*" for OPTIONS. Judged at the end of the line: HTTP/2 is told its version. */
static int read_target(struct reading *r, struct slice *target)
{
	const char *start = r->place, *question = NULL;

	for (; r->place < r->end; r->place++) {
		char c = *r->place;

		if (c == '?' && !question)
			question = r->place;
		if (is(c, TARGET))
			continue;
		if (c != '%')
			break;
		for (int i = 1; i <= 2; i++) {
			if (r->end - r->place <= i)
				return need_more(r);
			if (!is(r->place[i], HEX))
				return refuse(r, HTTP_FAULT_TARGET);
		}
		r->place += 2;
	}
	if (r->place == r->end)
		return need_more(r);
	if (*r->place != ' ')
		return refuse(r, *r->place == '\r' || *r->place == '\n' ? HTTP_FAULT_REQUEST_LINE : HTTP_FAULT_TARGET);
	if (r->place == start)
		return refuse(r, HTTP_FAULT_REQUEST_LINE);
	*target = (struct slice){start, (size_t)(r->place - start)};
	r->request->path = *target;
	if (question) {
		r->request->path.size = (size_t)(question - start);
		r->request->query = (struct slice){question + 1, (size_t)(r->place - question - 1)};
	}
	r->place++;
	return GO_ON;
}

static int read_version(struct reading *r, struct slice target)
{
	static const char pattern[] = "HTTP/d.d";
	const char *start = r->place;
	int step;

	for (size_t i = 0; i < sizeof(pattern) - 1; i++, r->place++) {
		if (r->place == r->end)
			return need_more(r);
		if (pattern[i] == 'd' ? !is(*r->place, DIGIT) : *r->place != pattern[i])
			return refuse(r, HTTP_FAULT_REQUEST_LINE);
	}
	step = read_line_end(r, HTTP_FAULT_REQUEST_LINE);
	if (step != GO_ON)
		return step;
	if (start[5] != '1' || start[7] > '1')
		return refuse(r, HTTP_FAULT_VERSION);
	r->request->minor_version = start[7] - '0';
	/* CONNECT asks for a tunnel, whatever its target looks like. */
	if (slice_equal(r->request->method_name, SLICE("CONNECT")))
		return refuse(r, HTTP_FAULT_TARGET);
	if (target.data[0] != '/' && !(r->request->method == HTTP_OPTIONS && slice_equal(target, SLICE("*"))))
		return refuse(r, HTTP_FAULT_TARGET);
	return GO_ON;
}

static int read_request_line(struct reading *r)
{
	struct slice target;
	int step = GO_ON;

	if (r->place < r->end && *r->place == '\r')
		step = read_line_end(r, HTTP_FAULT_REQUEST_LINE);
	if (step == GO_ON)
		step = read_method(r);
	if (step == GO_ON)
		step = read_target(r, &target);
	if (step == GO_ON)
		step = read_version(r, target);
	return step;
}

/* Host = uri-host [ ":" port ] (RFC 9110, section 7.2), never empty. */
static bool is_host(struct slice value)
{
	const char *place = value.data, *end = value.data + value.size;

	if (place < end && *place == '[') {
		const char *start = ++place;

		while (place < end && (is(*place, HEX) || *place == ':' || *place == '.'))
			place++;
		if (place == start || place == end || *place != ']')
			return false;
		place++;
	} else {
		const char *start = place;

		while (place < end &&
		       (is(*place, HOST) || (*place == '%' && end - place > 2 && is(place[1], HEX) && is(place[2], HEX))))
			place++;
		if (place == start)
			return false;
	}
	if (place < end && *place == ':') {
		do
			place++;
		while (place < end && is(*place, DIGIT));
	}
	return place == end;
}

/* Connection = #token: "close" wins over "keep-alive"; nobody forwards what other options name. */
static bool read_connection(struct reading *r, struct slice value)
{
	const char *place = value.data, *end = value.data + value.size;

	while (place < end) {
		struct slice option = {place, 0};

		while (place < end && is(*place, TOKEN))
			place++;
		option.size = (size_t)(place - option.data);
		r->close |= is_word(option, SLICE("close"));
		r->stays |= is_word(option, SLICE("keep-alive"));
		while (place < end && (*place == ' ' || *place == '\t'))
			place++;
		if (place < end && *place++ != ',')
			return false;
		while (place < end && (*place == ' ' || *place == '\t'))
			place++;
	}
	return true;
}

static enum http_known find_known(struct slice name)
{
	switch (name.size) {
	case 4:
		return folds_to(name.data, "host", 4) ? HTTP_HOST : HTTP_KNOWN_COUNT;
	case 6:
		return folds_to(name.data, "accept", 6) ? HTTP_ACCEPT : HTTP_KNOWN_COUNT;
	case 11:
		return folds_to(name.data, "traceparent", 11) ? HTTP_TRACEPARENT : HTTP_KNOWN_COUNT;
	case 12:
		return folds_to(name.data, "content-type", 12) ? HTTP_CONTENT_TYPE : HTTP_KNOWN_COUNT;
	case 13:
		if (folds_to(name.data, "authorization", 13))
			return HTTP_AUTHORIZATION;
		if (folds_to(name.data, "if-none-match", 13))
			return HTTP_IF_NONE_MATCH;
		return folds_to(name.data, "last-event-id", 13) ? HTTP_LAST_EVENT_ID : HTTP_KNOWN_COUNT;
	case 14:
		return folds_to(name.data, "content-length", 14) ? HTTP_CONTENT_LENGTH : HTTP_KNOWN_COUNT;
	case 15:
		return folds_to(name.data, "idempotency-key", 15) ? HTTP_IDEMPOTENCY_KEY : HTTP_KNOWN_COUNT;
	default:
		return HTTP_KNOWN_COUNT;
	}
}

static enum http_fault note_known(struct reading *r, enum http_known known, struct slice value)
{
	if (r->request->known[known].data) {
		if (known == HTTP_HOST)
			return HTTP_FAULT_HOST;
		return known == HTTP_CONTENT_LENGTH ? HTTP_FAULT_CONTENT_LENGTH : HTTP_FAULT_REPEATED_HEADER;
	}
	if (known == HTTP_HOST && !is_host(value))
		return HTTP_FAULT_HOST;
	r->request->known[known] = value;
	return HTTP_FAULT_NONE;
}

/* Looks at a header that has a meaning for the connection. */
static enum http_fault note_header(struct reading *r, struct slice name, struct slice value)
{
	enum http_known known = find_known(name);

	if (known != HTTP_KNOWN_COUNT)
		return note_known(r, known, value);
	if (is_word(name, SLICE("connection")))
		return read_connection(r, value) ? HTTP_FAULT_NONE : HTTP_FAULT_HEADER;
	if (is_word(name, SLICE("transfer-encoding"))) {
		r->transfer_encodings++;
		r->chunked = is_word(value, SLICE("chunked"));
	} else if (is_word(name, SLICE("expect"))) {
		if (!is_word(value, SLICE("100-continue")) || r->request->expect_continue)
			r->wrong_expectation = true;
		r->request->expect_continue = true;
	}
	return HTTP_FAULT_NONE;
}

static int read_header(struct reading *r)
{
	struct http_header *header = &r->request->headers[r->request->header_count];
	const char *start = r->place, *stop;
	enum http_fault fault;
	int step;

	if (r->request->header_count == r->bounds->header_fields)
		return refuse(r, HTTP_FAULT_HEADERS_TOO_LARGE);
	while (r->place < r->end && is(*r->place, TOKEN))
		r->place++;
	if (r->place == r->end)
		return need_more(r);
	if (*r->place != ':' || r->place == start)
		return refuse(r, HTTP_FAULT_HEADER);
	header->name = (struct slice){start, (size_t)(r->place - start)};

	for (r->place++; r->place < r->end && (*r->place == ' ' || *r->place == '\t'); r->place++)
		;
	start = r->place;
	for (;;) {
		r->place = skip_text(r->place, r->end);
		if (r->place == r->end || *r->place != '\t')
			break;
		r->place++;
	}
	stop = r->place;
	step = read_line_end(r, HTTP_FAULT_HEADER);
	if (step != GO_ON)
		return step;
	while (stop > start && (stop[-1] == ' ' || stop[-1] == '\t'))
		stop--;
	header->value = (struct slice){start, (size_t)(stop - start)};
	r->request->header_count++;

	fault = note_header(r, header->name, header->value);
	return fault == HTTP_FAULT_NONE ? GO_ON : refuse(r, fault);
}

/* Content-Length = 1*DIGIT, however many: what is over the limit is too large, not malformed. */
static enum http_fault read_length(struct slice value, size_t most, size_t *length)
{
	*length = 0;
	if (value.size == 0)
		return HTTP_FAULT_CONTENT_LENGTH;
	for (size_t i = 0; i < value.size; i++) {
		if (!is(value.data[i], DIGIT))
			return HTTP_FAULT_CONTENT_LENGTH;
		if (*length <= most)
			*length = *length * 10 + (size_t)(value.data[i] - '0');
	}
	return *length > most ? HTTP_FAULT_BODY_TOO_LARGE : HTTP_FAULT_NONE;
}

/* What only the whole head tells. */
static enum http_fault judge_head(struct reading *r, size_t *length)
{
	struct http_request *request = r->request;

	*length = 0;
	request->has_length = request->known[HTTP_CONTENT_LENGTH].data != NULL;
	if (!request->known[HTTP_HOST].data && request->minor_version > 0)
		return HTTP_FAULT_HOST;
	if (r->transfer_encodings > 0 && request->has_length)
		return HTTP_FAULT_CONTENT_LENGTH;
	if (r->transfer_encodings > 0)
		return r->transfer_encodings == 1 && r->chunked ? HTTP_FAULT_LENGTH_REQUIRED : HTTP_FAULT_TRANSFER_ENCODING;
	if (request->has_length) {
		enum http_fault fault = read_length(request->known[HTTP_CONTENT_LENGTH], r->bounds->body_bytes, length);

		if (fault != HTTP_FAULT_NONE)
			return fault;
	}
	/* HTTP/1.0 has no expectations: they are not looked at (RFC 9110, section 10.1.1). */
	if (request->minor_version == 0)
		request->expect_continue = false;
	else if (r->wrong_expectation)
		return HTTP_FAULT_EXPECTATION;
	request->keep_alive = !r->close && (request->minor_version > 0 || r->stays);
	return HTTP_FAULT_NONE;
}

static void clear(struct http_request *request)
{
	/* Not the headers: they are many, and header_count says how many mean anything. */
	request->method = HTTP_OTHER;
	request->method_name = request->path = request->query = request->body = SLICE_NULL;
	memset(request->known, 0, sizeof(request->known));
	request->header_count = 0;
	request->minor_version = 1;
	request->has_length = request->keep_alive = request->expect_continue = false;
}

enum http_read_outcome http_read(const char *data, size_t size, const struct http_bounds *bounds, struct http_request *request,
				 size_t *used, enum http_fault *fault)
{
	struct reading r = {
		.start = data,
		.place = data,
		.end = data + (size < bounds->head_bytes ? size : bounds->head_bytes),
		.bounds = bounds,
		.request = request,
	};
	size_t length;
	int step;

	ASSERT(bounds->head_bytes <= HTTP_HEAD_MAX && bounds->header_fields <= HTTP_HEADERS_MAX);
	*used = 0;
	*fault = HTTP_FAULT_NONE;
	clear(request);
	step = read_request_line(&r);
	while (step == GO_ON) {
		if (r.place < r.end && *r.place == '\r')
			break;
		step = r.place == r.end ? need_more(&r) : read_header(&r);
	}
	if (step == GO_ON)
		step = read_line_end(&r, HTTP_FAULT_HEADER);
	if (step == GO_ON) {
		enum http_fault wrong = judge_head(&r, &length);

		if (wrong != HTTP_FAULT_NONE)
			step = refuse(&r, wrong);
	}
	if (step != GO_ON) {
		*fault = r.fault;
		return (enum http_read_outcome)step;
	}
	*used = (size_t)(r.place - data) + length;
	request->body = (struct slice){r.place, *used <= size ? length : (size_t)(data + size - r.place)};
	return *used <= size ? HTTP_READ_WHOLE : HTTP_READ_BODY;
}
