// Limits of the registrar, each with its reason.
#pragma once

#include <cstddef>

namespace causeway::registrar::limits {

// Contacts in one REGISTER: a phone has one or two; a gateway that registers more sends more requests.
inline constexpr std::size_t kMaxContactsInRequest = 16;

// One Contact URI, with its parameters. The longest seen in phones is about 200.
inline constexpr std::size_t kMaxContactUri = 512;

// +sip.instance: "<urn:uuid:...>" is 47 characters.
inline constexpr std::size_t kMaxInstance = 128;

// Path values of one binding (RFC 3327): edge proxies in a row. Two are common.
inline constexpr std::size_t kMaxPath = 8;

// User part of an address of record.
inline constexpr std::size_t kMaxUser = 128;

}  // namespace causeway::registrar::limits
