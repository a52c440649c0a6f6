// A Resolver for tests.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "dns/resolver.h"

namespace causeway::dns::testing {

// A zone as tables. Everything asked for is remembered; `broken` names get an error.
struct Table final : Resolver {
  std::multimap<std::string, Naptr> naptrs;
  std::multimap<std::string, Srv> srvs;
  std::multimap<std::string, std::string> hosts;
  std::string broken;
  std::vector<std::string> asked;

  template <class T>
  base::Result<std::vector<T>> answer(const std::multimap<std::string, T>& from, const std::string& name,
                                      const char* type) {
    asked.push_back(std::string(type) + " " + name);
    if (name == broken) return base::fail("{}: no name server answered", name);
    std::vector<T> records;
    for (auto [at, end] = from.equal_range(name); at != end; ++at) records.push_back(at->second);
    return records;
  }
  void naptr(const std::string& name, OnRecords<Naptr> done) override { done(answer(naptrs, name, "NAPTR")); }
  void srv(const std::string& name, OnRecords<Srv> done) override { done(answer(srvs, name, "SRV")); }
  void addresses(const std::string& name, bool ipv4, bool ipv6, OnRecords<net::Ip> done) override {
    auto texts = answer(hosts, name, "A");
    if (!texts) return done(std::unexpected(texts.error()));
    std::vector<net::Ip> ips;
    for (const auto& text : *texts)
      if (auto ip = net::Ip::parse(text); ip && (ip->is_v4() ? ipv4 : ipv6)) ips.push_back(*ip);
    done(std::move(ips));
  }
};

}  // namespace causeway::dns::testing
