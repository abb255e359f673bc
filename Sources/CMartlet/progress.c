// What of a connection's bytes its peer has acknowledged. Apart from the rest: linux/tcp.h and netinet/tcp.h do not go together.
#include "cmartlet.h"
#include <linux/tcp.h>
#include <stddef.h>
#include <sys/socket.h>

uint64_t martlet_acknowledged(int32_t descriptor) {
  struct tcp_info info;
  socklen_t count = sizeof info;
  const socklen_t needed = offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof info.tcpi_bytes_acked;
  const int ip_protocol_tcp = 6;
  if (getsockopt(descriptor, ip_protocol_tcp, TCP_INFO, &info, &count) != 0 || count < needed) return 0;
  return info.tcpi_bytes_acked;
}
