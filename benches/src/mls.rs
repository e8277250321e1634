//! The same group by OpenMLS, RFC 9420: one who commits and one who follows.

use crate::group::{Cost, timed};
use openmls::prelude::tls_codec::{Deserialize, Serialize};
use openmls::prelude::*;
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;
use std::time::Duration;

const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519;

struct Client {
    provider: OpenMlsRustCrypto,
    signer: SignatureKeyPair,
    credential: CredentialWithKey,
}

impl Client {
    fn new(n: usize) -> Self {
        let signer = SignatureKeyPair::new(SUITE.signature_algorithm()).expect("keys");
        let credential = BasicCredential::new(n.to_be_bytes().to_vec());
        let credential =
            CredentialWithKey { credential: credential.into(), signature_key: signer.public().into() };
        Self { provider: OpenMlsRustCrypto::default(), signer, credential }
    }

    fn key_package(&self) -> KeyPackage {
        let bundle =
            KeyPackage::builder().build(SUITE, &self.provider, &self.signer, self.credential.clone());
        bundle.expect("a key package").key_package().clone()
    }
}

/// One who commits, one who follows.
pub struct Mls {
    owner: Client,
    group: MlsGroup,
    member: Client,
    theirs: MlsGroup,
    pub made: Cost,
    pub joined: Cost,
}

impl Mls {
    pub fn new(people: usize) -> Self {
        let (owner, member) = (Client::new(0), Client::new(people - 1));
        let others: Vec<KeyPackage> = (1..people - 1).map(|n| Client::new(n).key_package()).collect();
        let ((mut group, bytes), making) = timed(|| {
            let builder = MlsGroup::builder().ciphersuite(SUITE).use_ratchet_tree_extension(true);
            let group = builder.build(&owner.provider, &owner.signer, owner.credential.clone());
            let mut group = group.expect("a group");
            let bytes = added(&owner, &mut group, &others).1;
            (group, bytes)
        });
        let made = Cost { doing: making, following: Duration::ZERO, bytes };
        let package = member.key_package();
        let ((welcome, bytes, _), doing) = timed(|| added(&owner, &mut group, &[package]));
        let (theirs, following) = timed(|| {
            let MlsMessageBodyIn::Welcome(welcome) = read(&welcome).extract() else { panic!("a welcome") };
            let config = MlsGroupJoinConfig::default();
            let staged = StagedWelcome::new_from_welcome(&member.provider, &config, welcome, None);
            staged.expect("a sound welcome").into_group(&member.provider).expect("a group")
        });
        assert_eq!(theirs.members().count(), people);
        let joined = Cost { doing, following, bytes };
        Self { owner, group, member, theirs, made, joined }
    }

    fn followed(&mut self, commit: &[u8], doing: Duration) -> Cost {
        let (_, following) = timed(|| {
            let message = read(commit).try_into_protocol_message().expect("a commit");
            let processed =
                self.theirs.process_message(&self.member.provider, message).expect("a good commit");
            let ProcessedMessageContent::StagedCommitMessage(staged) = processed.into_content() else {
                panic!("a commit")
            };
            self.theirs.merge_staged_commit(&self.member.provider, *staged).expect("merged");
        });
        assert_eq!(self.theirs.epoch(), self.group.epoch());
        Cost { doing, following, bytes: commit.len() }
    }

    pub fn grow(&mut self) -> Cost {
        let package = Client::new(usize::MAX).key_package();
        let ((_, _, commit), doing) = timed(|| added(&self.owner, &mut self.group, &[package]));
        self.followed(&commit, doing)
    }

    pub fn shrink(&mut self) -> Cost {
        let newest =
            self.group.members().map(|member| member.index).max_by_key(LeafNodeIndex::u32).expect("many");
        let (commit, doing) = timed(|| {
            let removed = self.group.remove_members(&self.owner.provider, &self.owner.signer, &[newest]);
            let commit = removed.expect("may remove").0;
            self.group.merge_pending_commit(&self.owner.provider).expect("merged");
            bytes_of(&commit)
        });
        self.followed(&commit, doing)
    }

    pub fn rotate(&mut self) -> Cost {
        let (commit, doing) = timed(|| {
            let updated = self.group.self_update(
                &self.owner.provider,
                &self.owner.signer,
                LeafNodeParameters::default(),
            );
            let commit = updated.expect("may update").into_commit();
            self.group.merge_pending_commit(&self.owner.provider).expect("merged");
            bytes_of(&commit)
        });
        self.followed(&commit, doing)
    }
}

/// Welcome, bytes of commit and welcome, commit.
fn added(owner: &Client, group: &mut MlsGroup, packages: &[KeyPackage]) -> (Vec<u8>, usize, Vec<u8>) {
    let added = group.add_members(&owner.provider, &owner.signer, packages).expect("may add");
    group.merge_pending_commit(&owner.provider).expect("merged");
    let (commit, welcome) = (bytes_of(&added.0), bytes_of(&added.1));
    let bytes = commit.len() + welcome.len();
    (welcome, bytes, commit)
}

fn bytes_of(message: &MlsMessageOut) -> Vec<u8> {
    message.tls_serialize_detached().expect("serialised")
}

fn read(mut bytes: &[u8]) -> MlsMessageIn {
    MlsMessageIn::tls_deserialize(&mut bytes).expect("just made")
}
