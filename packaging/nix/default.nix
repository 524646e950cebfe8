# A template: packaging/dist fills in what stands between @s, and puts Cargo.lock beside it.
#
#   nix-build default.nix
{ pkgs ? import <nixpkgs> { } }:

pkgs.rustPlatform.buildRustPackage {
  pname = "credd";
  version = "@CREDD_VERSION@";

  src = pkgs.fetchurl {
    url = "@CREDD_DOWNLOADS@/credd-@CREDD_VERSION@.tar.gz";
    sha256 = "@SOURCE_SHA256@";
  };
  cargoLock.lockFile = ./Cargo.lock;

  nativeBuildInputs = [ pkgs.installShellFiles ];

  # The tests want a systemd, a desktop and LiteLLM of their own.
  doCheck = false;

  postInstall = ''
    $out/bin/credd man pages
    installManPage pages/*.1
    for shell in bash zsh fish; do $out/bin/credd completions $shell >credd.$shell; done
    installShellCompletion credd.bash credd.zsh credd.fish
    substitute systemd/credd.service credd.service --replace-fail /usr/bin/credd $out/bin/credd
    install -D -m 644 -t $out/share/systemd/user credd.service
    install -D -m 644 -t $out/share/doc/credd README.md SECURITY.md packaging/litellm/credd_secrets.py
  '';

  meta = {
    description = "Reminder of expiring API keys, and restarter of LiteLLM";
    homepage = "@CREDD_HOMEPAGE@";
    license = pkgs.lib.licenses.mit;
    mainProgram = "credd";
    platforms = pkgs.lib.platforms.linux ++ pkgs.lib.platforms.darwin;
  };
}
