//! The primitives against vectors published by others: every verdict is to be as published.
//!
//! Ed25519 is verified strictly here, which refuses more than RFC 8032 asks (keys and `R` of small order). Of
//! Wycheproof's vectors none is refused for that: strict and published verdicts are the same for all of them.

#[path = "vectors/json.rs"]
mod json;

use harbor_proto::crypto::aead::{self, NONCE, TAG};
use harbor_proto::crypto::{Secret, hash, kem, sign};
use json::{array, bytes, items, parse};
use ml_kem::{Ciphertext, FromSeed, KeyExport, MlKem768, TryKeyInit, kem::Decapsulate};
use wycheproof::TestResult;

/// Counts verdicts, so that a set that shrank or was skipped is noticed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    accepted: usize,
    refused: usize,
}

impl Tally {
    fn check(&mut self, accepted: bool, result: TestResult, id: usize, comment: &str) {
        match result {
            TestResult::Valid => assert!(accepted, "{id}: {comment}: valid and refused"),
            TestResult::Invalid => assert!(!accepted, "{id}: {comment}: invalid and accepted"),
            TestResult::Acceptable => {}
        }
        if accepted { self.accepted += 1 } else { self.refused += 1 }
    }
}

#[test]
fn ed25519_of_wycheproof() {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).expect("carried");
    let mut tally = Tally::default();
    for group in &set.test_groups {
        let key: [u8; 32] = group.key.pk[..].try_into().expect("32 bytes");
        for t in &group.tests {
            // A signature of another length does not exist for us: the field has 64 bytes.
            let ok = <[u8; 64]>::try_from(&t.sig[..]).is_ok_and(|sig| sign::verify(&key, &t.msg, &sig));
            tally.check(ok, t.result, t.tc_id, &t.comment);
        }
    }
    assert_eq!(tally, Tally { accepted: 88, refused: 63 });
}

#[test]
fn ed25519_of_rfc_8032() {
    for v in items(&parse(include_str!("vectors/published/rfc.json"))["ed25519"]) {
        let pair = sign::Keypair::from_secret(&Secret(array(&v["secret"])));
        let (message, signature) = (bytes(&v["message"]), array(&v["signature"]));
        assert_eq!(pair.public(), array::<32>(&v["public"]), "{}", v["name"]);
        assert_eq!(pair.sign(&message), signature, "{}", v["name"]);
        assert!(sign::verify(&pair.public(), &message, &signature), "{}", v["name"]);
    }
}

/// What strictness adds: under a key of order 4 or 8 one signature fits (nearly) every message, and RFC 8032's
/// equation accepts it. Wycheproof has no such vector, so it is made here: A of small order, R = identity, S = 0.
#[test]
fn a_key_of_small_order_signs_nothing() {
    let weak = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ];
    let mut identity_r = [0; 64];
    identity_r[0] = 1;
    let mut permissive_would_accept = 0;
    for key in weak {
        let key: [u8; 32] = array(&key.into());
        for message in [b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h"] {
            let permissive = ed25519_dalek::VerifyingKey::from_bytes(&key).expect("on the curve");
            let signature = ed25519_dalek::Signature::from_bytes(&identity_r);
            permissive_would_accept +=
                usize::from(ed25519_dalek::Verifier::verify(&permissive, message, &signature).is_ok());
            assert!(!sign::verify(&key, message, &identity_r));
        }
    }
    assert!(permissive_would_accept > 8, "the test made no signature worth refusing");
}

#[test]
fn xchacha20_poly1305_of_wycheproof() {
    let set =
        wycheproof::aead::TestSet::load(wycheproof::aead::TestName::XChaCha20Poly1305).expect("carried");
    let mut tally = Tally::default();
    for group in &set.test_groups {
        for t in &group.tests {
            // Nonces of other lengths cannot be handed in: the type has 24 bytes.
            let Ok(nonce) = <[u8; NONCE]>::try_from(&t.nonce[..]) else {
                assert_eq!(t.result, TestResult::Invalid);
                tally.refused += 1;
                continue;
            };
            let key = Secret(t.key[..].try_into().expect("32 bytes"));
            let sealed = [&t.ct[..], &t.tag[..]].concat();
            let opened = aead::open(&key, &nonce, &t.aad, &sealed);
            tally.check(opened.is_ok(), t.result, t.tc_id, &t.comment);
            if let Ok(plain) = opened {
                assert_eq!(plain, t.pt[..], "{}", t.tc_id);
                assert_eq!(aead::seal(&key, &nonce, &t.aad, &plain), sealed, "{}", t.tc_id);
            }
        }
    }
    assert_eq!(tally, Tally { accepted: 246, refused: 69 });
}

#[test]
fn chacha20_poly1305_of_the_standards() {
    use chacha20poly1305::aead::{Aead, KeyInit, Payload};
    let rfc = parse(include_str!("vectors/published/rfc.json"));
    for v in items(&rfc["xchacha20poly1305"]) {
        let (key, nonce, aad) = (Secret(array(&v["key"])), array(&v["nonce"]), bytes(&v["aad"]));
        let sealed = [bytes(&v["ciphertext"]), bytes(&v["tag"])].concat();
        assert_eq!(aead::seal(&key, &nonce, &aad, &bytes(&v["plaintext"])), sealed, "{}", v["source"]);
        assert_eq!(aead::open(&key, &nonce, &aad, &sealed), Ok(bytes(&v["plaintext"])));
        assert_eq!(aead::open(&key, &nonce, &aad, &sealed[..sealed.len() - 1]), Err(aead::OpenError));
        assert_eq!(aead::open(&key, &nonce, &aad, &sealed[..TAG - 1]), Err(aead::OpenError));
    }
    for v in items(&rfc["chacha20poly1305"]) {
        let cipher = chacha20poly1305::ChaCha20Poly1305::new(&array::<32>(&v["key"]).into());
        let (msg, aad) = (bytes(&v["plaintext"]), bytes(&v["aad"]));
        let sealed = cipher.encrypt(&array::<12>(&v["nonce"]).into(), Payload { msg: &msg, aad: &aad });
        let expected = [bytes(&v["ciphertext"]), bytes(&v["tag"])].concat();
        assert_eq!(sealed.expect("short"), expected, "{}", v["source"]);
    }
}

#[test]
fn blake3_of_its_authors() {
    const CONTEXT: &str = "BLAKE3 2019-12-27 16:29:52 test vectors context";
    let vectors = parse(include_str!("vectors/published/blake3.json"));
    let key: [u8; 32] = vectors["key"].as_str().and_then(|k| k.as_bytes().try_into().ok()).expect("a key");
    let extended = |hasher: &mut blake3::Hasher, input: &[u8]| {
        let mut out = vec![0; 131];
        hasher.update(input).finalize_xof().fill(&mut out);
        out
    };
    for v in items(&vectors["cases"]) {
        let len = usize::try_from(v["input_len"].as_u64().expect("a number")).expect("small");
        let input: Vec<u8> = (0..len).map(|i| u8::try_from(i % 251).expect("below 251")).collect();
        let of = |mut hasher: blake3::Hasher| extended(&mut hasher, &input);
        assert_eq!(of(blake3::Hasher::new()), bytes(&v["hash"]), "hash of {len}");
        assert_eq!(of(blake3::Hasher::new_keyed(&key)), bytes(&v["keyed_hash"]), "keyed hash of {len}");
        assert_eq!(
            of(blake3::Hasher::new_derive_key(CONTEXT)),
            bytes(&v["derive_key"]),
            "derive_key of {len}"
        );
        // The wrapper, whose parts are only concatenated.
        let parts: Vec<&[u8]> = input.chunks(1000).collect();
        assert_eq!(hash(&parts), bytes(&v["hash"])[..32], "hash of {len} in parts");
    }
}

#[test]
fn x_wing_of_the_draft() {
    for v in items(&parse(include_str!("vectors/published/xwing.json"))) {
        let secret = kem::SecretKey::from_seed(Secret(array(&v["seed"])));
        let public: [u8; kem::PUBLIC] = array(&v["pk"]);
        assert_eq!(secret.public(), public);
        let key = x_wing::EncapsulationKey::try_from(&public[..]).expect("a key");
        let (ciphertext, shared) = key.encapsulate_deterministic(&array::<64>(&v["eseed"]).into());
        assert_eq!(ciphertext[..], bytes(&v["ct"]));
        assert_eq!(shared[..], bytes(&v["ss"]));
        let opened = secret.decapsulate(&array(&v["ct"])).expect("contributory");
        assert_eq!(opened.0, array::<32>(&v["ss"]));
    }
}

/// The X25519 half of a ciphertext with an all-zero result must not become a shared secret.
#[test]
fn x_wing_refuses_a_zero_x25519_half() {
    let v = &parse(include_str!("vectors/published/xwing.json"))[0];
    let secret = kem::SecretKey::from_seed(Secret(array(&v["seed"])));
    let mut ciphertext: [u8; kem::CIPHERTEXT] = array(&v["ct"]);
    ciphertext[kem::CIPHERTEXT - 32..].fill(0);
    assert!(secret.decapsulate(&ciphertext).is_none());
}

#[test]
fn x25519_of_wycheproof_and_rfc_7748() {
    let set = wycheproof::xdh::TestSet::load(wycheproof::xdh::TestName::X25519).expect("carried");
    let exchange = |private: [u8; 32], public: [u8; 32]| {
        x25519_dalek::StaticSecret::from(private).diffie_hellman(&x25519_dalek::PublicKey::from(public))
    };
    let (mut compared, mut zero) = (0, 0);
    for group in &set.test_groups {
        for t in &group.tests {
            let private = t.private_key[..].try_into().expect("32 bytes");
            let Ok(public) = t.public_key[..].try_into() else {
                assert_eq!(t.result, TestResult::Invalid);
                continue;
            };
            let shared = exchange(private, public);
            assert_eq!(shared.as_bytes()[..], t.shared_secret[..], "{}: {}", t.tc_id, t.comment);
            assert_eq!(shared.was_contributory(), t.shared_secret[..] != [0; 32], "{}", t.tc_id);
            compared += 1;
            zero += usize::from(!shared.was_contributory());
        }
    }
    assert_eq!((compared, zero), (518, 31));
    for v in items(&parse(include_str!("vectors/published/rfc.json"))["x25519"]) {
        let shared = exchange(array(&v["scalar"]), array(&v["u"]));
        assert_eq!(*shared.as_bytes(), array::<32>(&v["result"]), "{}", v["source"]);
    }
}

fn field(bytes: &Option<wycheproof::ByteString>) -> Vec<u8> {
    bytes.as_ref().map(|b| b.to_vec()).unwrap_or_default()
}

fn ml_kem(name: wycheproof::mlkem::TestName, mut one: impl FnMut(&wycheproof::mlkem::Test) -> bool) -> Tally {
    let set = wycheproof::mlkem::TestSet::load(name).expect("carried");
    let mut tally = Tally::default();
    for group in &set.test_groups {
        for t in &group.tests {
            let accepted = one(t);
            tally.check(accepted, t.result, t.tc_id, &t.comment);
        }
    }
    tally
}

/// Decapsulation under a key from its seed, the only form X-Wing keeps.
#[test]
fn ml_kem_768_decapsulation_of_wycheproof() {
    let tally = ml_kem(wycheproof::mlkem::TestName::MlKem768, |t| {
        let Ok(seed) = ml_kem::Seed::try_from(&field(&t.seed)[..]) else { return false };
        let (secret, public) = MlKem768::from_seed(&seed);
        assert_eq!(public.to_bytes()[..], field(&t.encaps_key), "{}", t.tc_id);
        let Ok(ct) = Ciphertext::<MlKem768>::try_from(&field(&t.ct)[..]) else { return false };
        assert_eq!(secret.decapsulate(&ct)[..], field(&t.shared_secret), "{}", t.tc_id);
        true
    });
    assert_eq!(tally, Tally { accepted: 161, refused: 40 });
}

#[test]
fn ml_kem_768_encapsulation_of_wycheproof() {
    let tally = ml_kem(wycheproof::mlkem::TestName::MlKem768Encaps, |t| {
        let Ok(key) = ml_kem::ml_kem_768::EncapsulationKey::new_from_slice(&field(&t.encaps_key)) else {
            return false;
        };
        let m = ml_kem::B32::try_from(&field(&t.msg)[..]).expect("32 bytes");
        let (ct, shared) = key.encapsulate_deterministic(&m);
        assert_eq!(ct[..], field(&t.ct), "{}", t.tc_id);
        assert_eq!(shared[..], field(&t.shared_secret), "{}", t.tc_id);
        true
    });
    assert_eq!(tally, Tally { accepted: 133, refused: 132 });
}

#[test]
fn ml_kem_768_keys_of_wycheproof() {
    let tally = ml_kem(wycheproof::mlkem::TestName::MlKem768KeyGenSeed, |t| {
        let seed = ml_kem::Seed::try_from(&field(&t.seed)[..]).expect("64 bytes");
        let (_, public) = MlKem768::from_seed(&seed);
        assert_eq!(public.to_bytes()[..], field(&t.encaps_key), "{}", t.tc_id);
        true
    });
    assert_eq!(tally, Tally { accepted: 100, refused: 0 });
}
