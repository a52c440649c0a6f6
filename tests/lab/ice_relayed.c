// Two libnice agents that may use nothing but a TURN server: how many packets go from one to the other and back.
// One line of JSON.
//
//   ice_relayed ADDRESS PORT USER PASSWORD udp|tcp PACKETS
#include <nice/agent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kSize = 172, kEveryMs = 20, kPatienceSeconds = 30 };

typedef struct {
  NiceAgent* agent;
  guint stream;
  gboolean gathered, ready;
} Side;

static GMainLoop* loop;
static Side sides[2];  // the first speaks, the second returns what it hears
static int packets, sent, returned;

static Side* side_of(NiceAgent* agent) { return agent == sides[0].agent ? &sides[0] : &sides[1]; }

static const char* used(Side* side, gboolean local) {
  NiceCandidate *mine = NULL, *other = NULL;
  if (!nice_agent_get_selected_pair(side->agent, side->stream, 1, &mine, &other)) return "none";
  return (local ? mine : other)->type == NICE_CANDIDATE_TYPE_RELAYED ? "relayed" : "direct";
}

static gboolean end(gpointer unused) {
  (void)unused;
  printf("{\"sent\": %d, \"returned\": %d, \"local\": \"%s\", \"remote\": \"%s\"}\n", sent, returned,
         used(&sides[0], TRUE), used(&sides[0], FALSE));
  g_main_loop_quit(loop);
  return G_SOURCE_REMOVE;
}

static gboolean speak(gpointer unused) {
  (void)unused;
  char packet[kSize] = {0};
  if (nice_agent_send(sides[0].agent, sides[0].stream, 1, sizeof packet, packet) == kSize) ++sent;
  if (sent < packets) return G_SOURCE_CONTINUE;
  g_timeout_add(500, end, NULL);
  return G_SOURCE_REMOVE;
}

static void hear(NiceAgent* agent, guint stream, guint component, guint size, gchar* bytes, gpointer unused) {
  (void)unused;
  if (agent == sides[0].agent)
    returned += size == kSize;
  else
    nice_agent_send(agent, stream, component, size, bytes);
}

static void introduce(Side* to, Side* other) {
  gchar *name = NULL, *password = NULL;
  nice_agent_get_local_credentials(other->agent, other->stream, &name, &password);
  nice_agent_set_remote_credentials(to->agent, to->stream, name, password);
  GSList* candidates = nice_agent_get_local_candidates(other->agent, other->stream, 1);
  nice_agent_set_remote_candidates(to->agent, to->stream, 1, candidates);
  g_slist_free_full(candidates, (GDestroyNotify)nice_candidate_free);
  g_free(name);
  g_free(password);
}

static void gathered(NiceAgent* agent, guint stream, gpointer unused) {
  (void)stream, (void)unused;
  side_of(agent)->gathered = TRUE;
  if (!sides[0].gathered || !sides[1].gathered) return;
  introduce(&sides[0], &sides[1]);
  introduce(&sides[1], &sides[0]);
}

static void changed(NiceAgent* agent, guint stream, guint component, guint state, gpointer unused) {
  (void)stream, (void)component, (void)unused;
  const gboolean before = sides[0].ready && sides[1].ready;
  if (state == NICE_COMPONENT_STATE_READY) side_of(agent)->ready = TRUE;
  if (!before && sides[0].ready && sides[1].ready) g_timeout_add(kEveryMs, speak, NULL);
}

int main(int count, char** words) {
  if (count != 7) return fprintf(stderr, "ice_relayed: expected six arguments\n"), 1;
  packets = atoi(words[6]);
  loop = g_main_loop_new(NULL, FALSE);
  for (int i = 0; i < 2; ++i) {
    NiceAgent* agent = nice_agent_new(NULL, NICE_COMPATIBILITY_RFC5245);
    g_object_set(agent, "controlling-mode", i == 0, "force-relay", TRUE, "upnp", FALSE, "ice-tcp", FALSE, NULL);
    sides[i].agent = agent;
    sides[i].stream = nice_agent_add_stream(agent, 1);
    nice_agent_set_relay_info(agent, sides[i].stream, 1, words[1], (guint)atoi(words[2]), words[3], words[4],
                              strcmp(words[5], "tcp") == 0 ? NICE_RELAY_TYPE_TURN_TCP : NICE_RELAY_TYPE_TURN_UDP);
    g_signal_connect(agent, "candidate-gathering-done", G_CALLBACK(gathered), NULL);
    g_signal_connect(agent, "component-state-changed", G_CALLBACK(changed), NULL);
    nice_agent_attach_recv(agent, sides[i].stream, 1, NULL, hear, NULL);
  }
  for (int i = 0; i < 2; ++i) nice_agent_gather_candidates(sides[i].agent, sides[i].stream);
  g_timeout_add_seconds(kPatienceSeconds, end, NULL);
  g_main_loop_run(loop);
  return 0;
}
