/* link_zap.c: the doorkeeper: ZeroMQ's authentication protocol (rfc.zeromq.org/spec/27), answered in this process.
 *
 * Without it CURVE lets every client in. CURVE proves that the peer has the secret key; this handler says whether that
 * key is one of ours, and gives the connection its key in hex as user id, which later comes with each message: the one
 * thing about a sender that can be trusted. */
#include "protocol/link_private.h"
#include "common/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define ZAP_FRAME_MAX 256
#define REQUESTS_A_TURN 100

/* A request's frames, in their order. */
enum frame { VERSION, REQUEST_ID, DOMAIN, ADDRESS, ROUTING_ID, MECHANISM, CREDENTIALS, FRAMES };

struct link_zap {
	struct loop *loop;
	void *socket;
	struct watch_handle *handle;
	link_admit *admit;
	void *context;
	uint64_t refused;
};

struct request {
	uint8_t data[FRAMES][ZAP_FRAME_MAX];
	size_t length[FRAMES];
};

void link_user_id(const uint8_t key[LINK_KEY_BYTES], char out[LINK_USER_ID_MAX])
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < LINK_KEY_BYTES; i++) {
		out[2 * i] = digits[key[i] >> 4];
		out[2 * i + 1] = digits[key[i] & 15];
	}
	out[2 * LINK_KEY_BYTES] = '\0';
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool link_user_id_parse(const char *text, uint8_t key[LINK_KEY_BYTES])
{
	uint8_t parsed[LINK_KEY_BYTES];
	if (!text || strlen(text) != 2 * LINK_KEY_BYTES)
		return false;
	for (size_t i = 0; i < LINK_KEY_BYTES; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		parsed[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(key, parsed, sizeof(parsed));
	return true;
}

/* False: nothing there. A request that isn't as it should be comes back with *well = false. */
static bool read_request(void *socket, struct request *request, bool *well)
{
	size_t count = 0;
	int more = 1;
	*well = true;
	while (more) {
		uint8_t spare[ZAP_FRAME_MAX];
		uint8_t *into = count < FRAMES ? request->data[count] : spare;
		int length = zmq_recv(socket, into, ZAP_FRAME_MAX, ZMQ_DONTWAIT);
		if (length < 0)
			return false;
		if (length > ZAP_FRAME_MAX || count >= FRAMES)
			*well = false;
		else
			request->length[count] = (size_t)length;
		count++;
		size_t size = sizeof(more);
		if (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) != 0)
			return false;
	}
	*well = *well && count == FRAMES;
	return true;
}

static bool frame_is(const struct request *request, enum frame frame, const char *text)
{
	return request->length[frame] == strlen(text) && memcmp(request->data[frame], text, strlen(text)) == 0;
}

static bool send_text(void *socket, const char *text, int flags)
{
	return zmq_send(socket, text, strlen(text), flags) >= 0;
}

/* As text, within out; an IPv4 address as that, though the socket is of IPv6. */
static const char *read_address(const struct request *request, char out[ZAP_FRAME_MAX + 1])
{
	static const char mapped[] = "::ffff:";
	size_t length = request->length[ADDRESS];
	memcpy(out, request->data[ADDRESS], length);
	out[length] = '\0';
	return strncmp(out, mapped, strlen(mapped)) == 0 && strchr(out, '.') ? out + strlen(mapped) : out;
}

static void answer(struct link_zap *zap, const struct request *request, bool well)
{
	char frame[ZAP_FRAME_MAX + 1];
	const char *address = read_address(request, frame);
	bool admitted = well && frame_is(request, VERSION, "1.0") && frame_is(request, DOMAIN, LINK_ZAP_DOMAIN) &&
	                frame_is(request, MECHANISM, "CURVE") && request->length[CREDENTIALS] == LINK_KEY_BYTES &&
	                zap->admit(zap->context, request->data[CREDENTIALS], address);
	char user[LINK_USER_ID_MAX] = "";
	if (admitted)
		link_user_id(request->data[CREDENTIALS], user);
	else
		zap->refused++;
	void *socket = zap->socket;
	/* Nobody to tell when this fails: the handshake then ends by its own time-out. */
	(void)(send_text(socket, "1.0", ZMQ_SNDMORE) &&
	       zmq_send(socket, request->data[REQUEST_ID], request->length[REQUEST_ID], ZMQ_SNDMORE) >= 0 &&
	       send_text(socket, admitted ? "200" : "400", ZMQ_SNDMORE) &&
	       send_text(socket, admitted ? "" : "this key isn't admitted", ZMQ_SNDMORE) &&
	       send_text(socket, user, ZMQ_SNDMORE) && send_text(socket, "", 0));
}

static void on_request(void *context, int events)
{
	(void)events;
	struct link_zap *zap = context;
	for (int i = 0; i < REQUESTS_A_TURN; i++) {
		struct request request = {0};
		bool well;
		if (!read_request(zap->socket, &request, &well))
			return;
		answer(zap, &request, well);
	}
}

struct link_zap *link_zap_open(struct loop *loop, void *zmq_context, link_admit *admit, void *context, struct why *why)
{
	void *socket = zmq_socket(zmq_context, ZMQ_REP);
	if (!socket || !link_set_int(socket, ZMQ_LINGER, 0) || zmq_bind(socket, ZAP_ENDPOINT) != 0) {
		(void)why_set(why, RC_IO, "can't start the check of keys: %s", zmq_strerror(errno));
		if (socket)
			(void)zmq_close(socket);
		return NULL;
	}
	struct link_zap *zap = mem_zalloc(sizeof(*zap));
	*zap = (struct link_zap){.loop = loop, .socket = socket, .admit = admit, .context = context};
	zap->handle = loop_add_zmq(loop, socket, LOOP_READ, on_request, zap);
	return zap;
}

void link_zap_close(struct link_zap **zap)
{
	if (!*zap)
		return;
	loop_remove((*zap)->loop, &(*zap)->handle);
	(void)zmq_close((*zap)->socket);
	free(*zap);
	*zap = NULL;
}

uint64_t link_zap_refused(const struct link_zap *zap)
{
	return zap->refused;
}
