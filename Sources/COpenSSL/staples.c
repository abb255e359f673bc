#include "copenssl.h"
#include <string.h>

int64_t martlet_ocsp_until(const uint8_t *der, size_t count, X509 *certificate, int64_t *from) {
  const unsigned char *start = der;
  int64_t until = -1;
  OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &start, (long)count);
  OCSP_BASICRESP *basic = NULL;
  if (response && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL)
    basic = OCSP_response_get1_basic(response);
  if (basic && OCSP_resp_count(basic) == 1) {
    OCSP_SINGLERESP *single = OCSP_resp_get0(basic, 0);
    ASN1_INTEGER *serial = NULL;
    ASN1_GENERALIZEDTIME *this = NULL, *next = NULL;
    OCSP_id_get0_info(NULL, NULL, NULL, &serial, (OCSP_CERTID *)OCSP_SINGLERESP_get0_id(single));
    if (!serial || ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(certificate))) {
      until = -2;
    } else if (OCSP_single_get0_status(single, NULL, NULL, &this, &next) == V_OCSP_CERTSTATUS_GOOD) {
      until = next ? martlet_asn1_seconds(next) : INT64_MAX;
      if (this) *from = martlet_asn1_seconds(this);
    }
  }
  OCSP_BASICRESP_free(basic);
  OCSP_RESPONSE_free(response);
  ERR_clear_error();
  return until;
}

int martlet_staple(SSL *ssl, const uint8_t *der, size_t count) {
  unsigned char *copy = OPENSSL_malloc(count);
  if (!copy) return 0;
  memcpy(copy, der, count);
  if (SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)count)) return 1;
  OPENSSL_free(copy);
  return 0;
}
