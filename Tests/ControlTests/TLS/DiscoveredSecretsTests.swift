import EnvoyAPI
import Testing
import TestSupport

@testable import Control

/// Who asks for the same secret shares it, and what is shown of one holds no key.
@Suite struct DiscoveredSecretsTests {
    private func reference(_ name: String, timeoutS: Int64, cluster: String? = nil) -> SecretReference {
        var reference = SecretReference()
        reference.name = name
        reference.sdsConfig.initialFetchTimeout = .init(seconds: timeoutS)
        if let cluster {
            reference.sdsConfig.apiConfigSource.clusterNames = [cluster]
        } else {
            reference.sdsConfig.ads = .init()
        }
        return reference
    }

    @Test func aNameIsOneSecretOnTheAggregatedStream() {
        let secrets = DiscoveredSecrets(AggregatedStream())
        let first = secrets.secret(reference("a", timeoutS: 1), .certificate)
        #expect(secrets.secret(reference("a", timeoutS: 2), .certificate) === first)
        var versioned = reference("a", timeoutS: 1)
        versioned.sdsConfig.resourceApiVersion = .v3
        #expect(secrets.secret(versioned, .certificate) === first)
        #expect(secrets.secret(reference("b", timeoutS: 1), .certificate) !== first)
    }

    /// Each has a stream of its own, on which the server answers.
    @Test func anotherSourceIsAnotherSecret() {
        let secrets = DiscoveredSecrets(AggregatedStream())
        let first = secrets.secret(reference("a", timeoutS: 1, cluster: "x"), .certificate)
        #expect(secrets.secret(reference("a", timeoutS: 1, cluster: "x"), .certificate) === first)
        #expect(secrets.secret(reference("a", timeoutS: 2, cluster: "x"), .certificate) !== first)
        #expect(secrets.secret(reference("a", timeoutS: 1), .certificate) !== first)
    }

    private func shown(_ file: String) throws -> TLSCertificateMessage {
        var secret = TLSSecret()
        secret.name = "a"
        secret.tlsCertificate.certificateChain.filename = file
        secret.tlsCertificate.privateKey.filename = file
        let bytes = DynamicSecret(secret, version: "1", updatedNs: 1).bytes
        #expect(!String(decoding: bytes, as: UTF8.self).contains("PRIVATE KEY"))
        return try TLSSecret(serializedBytes: bytes).tlsCertificate
    }

    @Test func aFileWithAKeyIsShownByItsName() throws {
        let directory = TemporaryDirectory()
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        let alone = directory.write(certificate, to: "alone.pem")
        #expect(try shown(alone).certificateChain.inlineBytes.elementsEqual(certificate.utf8))
        for kind in ["", "RSA ", "EC ", "ENCRYPTED "] {
            let key = "-----BEGIN \(kind)PRIVATE KEY-----\nAAAA\n-----END \(kind)PRIVATE KEY-----\n"
            let both = directory.write(certificate + key, to: "both.pem")
            #expect(try shown(both).certificateChain.filename == both)
            #expect(try shown(both).privateKey.inlineBytes.elementsEqual([0]))
        }
    }

    /// A key that cannot be read makes a secret that is refused one that is waited for.
    @Test func aKeyThatIsGoneIsNotShownAsActive() {
        let directory = TemporaryDirectory()
        var secret = TLSSecret()
        secret.tlsCertificate.certificateChain.filename = directory.write("x", to: "x.pem")
        secret.tlsCertificate.privateKey.filename = directory.write("y", to: "y.pem")
        #expect(DynamicSecret(refused: secret, version: "1", updatedNs: 1, as: .certificate).isActive)
        secret.tlsCertificate.privateKey.filename = directory.path + "/nowhere"
        #expect(!DynamicSecret(refused: secret, version: "1", updatedNs: 1, as: .certificate).isActive)
    }
}
