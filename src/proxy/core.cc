#include "proxy/core.h"

#include "sip/rewrite.h"

namespace causeway::proxy {

ProxyMetrics::ProxyMetrics(base::Metrics& m)
    : requests(m.counter("proxy_requests_total", "requests that came to the proxy, ACKs included")),
      forwarded(m.counter("proxy_forwarded_total", "requests sent on with a client transaction")),
      acks(m.counter("proxy_acks_total", "ACKs to 2xx sent on")),
      refused(m.counter("proxy_refused_total", "requests answered with an error by this peer")),
      challenged(m.counter("proxy_challenged_total", "requests answered 407")),
      not_a_relay(m.counter("proxy_refused_total{reason=\"relay\"}",
                            "requests of outsiders for other domains, refused")),
      forged(m.counter("proxy_refused_total{reason=\"identity\"}",
                       "requests under a name that the sender has not proved, refused")),
      looped(m.counter("proxy_refused_total{reason=\"loop\"}", "requests that had looped, refused")),
      spiralled(m.counter("proxy_refused_total{reason=\"spiral\"}",
                          "requests that had passed peers like this one too often, refused")),
      failovers(m.counter("proxy_failovers_total", "next places tried after one had failed")),
      found_again(m.counter("proxy_found_again_total",
                            "phones found at another peer after theirs could not be reached")),
      timer_c(m.counter("proxy_timer_c_total", "INVITEs that rang too long, cancelled")),
      acks_dropped(m.counter("proxy_acks_dropped_total", "ACKs that could not be sent on")),
      strays(m.counter("proxy_stray_responses_total", "responses to nothing sent by us, dropped")),
      unsent(m.counter("proxy_unsent_total", "requests that could not be rewritten")),
      public_registrations(m.counter("proxy_public_registrations_total",
                                     "registrations with other domains that were accepted there")),
      own_routes(m.counter("proxy_refused_total{reason=\"own routes\"}",
                           "requests with too many Route values of this domain, refused")),
      forks_left_out(m.counter("proxy_forks_left_out_total",
                               "contacts of a user that a request was not sent to: too many before them")),
      publics_forgotten(m.counter("proxy_public_registrations_forgotten_total",
                                  "registrations with other domains not remembered: too many")) {}

Core::Core(ProxyConfig c, ProxyParts p)
    : config(std::move(c)),
      parts(p),
      names(config.domain, config.peer, parts.transport),
      metrics(parts.metrics),
      publics(config.domain),
      tokens(parts.tokens, bindings()),
      seed(config.loop_seed ? *config.loop_seed : parts.random.u64()) {
  if (!config.route_host.empty()) names.set_route_host(config.route_host);
}

void Core::answer(sip::ServerTransaction* transaction, const sip::Message& request, int status,
                  std::string_view reason, std::span<const sip::ExtraHeader> extra) {
  if (status >= 300) ++metrics.refused;
  if (!transaction) {
    ++metrics.acks_dropped;
    return;
  }
  const auto tag = status == 100 ? std::string() : parts.random.token(10);
  parts.transactions.answer(*transaction, request, status, reason, tag, extra);
}

}  // namespace causeway::proxy
