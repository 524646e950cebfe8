# A template: packaging/dist fills in what stands between @s.
class Credd < Formula
  desc "Reminder of expiring API keys, and restarter of LiteLLM"
  homepage "@CREDD_HOMEPAGE@"
  url "@CREDD_DOWNLOADS@/credd-@CREDD_VERSION@.tar.gz"
  sha256 "@SOURCE_SHA256@"
  license "MIT"

  depends_on "rust" => :build

  def install
    system "cargo", "install", *std_cargo_args
    generate_completions_from_executable(bin/"credd", "completions")
    system bin/"credd", "man", man1
    doc.install "README.md", "SECURITY.md"
    pkgshare.install "packaging/litellm/credd_secrets.py"
    install_services
  end

  # credd's own: those that Homebrew would write end LiteLLM along with the daemon, and on Linux don't start it again.
  def install_services
    path = "#{HOMEBREW_PREFIX}/bin:#{HOMEBREW_PREFIX}/sbin:/usr/bin:/bin:/usr/sbin:/sbin"
    inreplace "systemd/credd.service", "ExecStart=/usr/bin/credd run",
                                       "ExecStart=#{opt_bin}/credd run\nEnvironment=PATH=#{path}"
    agent = "launchd/dev.credd.agent.plist"
    # `credd install` and `credd uninstall` leave alone what doesn't say that they wrote it.
    inreplace agent, /^<!-- Installed by credd.*\n/, ""
    command = "#{opt_bin}/credd</string>\n        <string>run"
    { "ARGUMENT" => command, "PATH" => path, "LOG" => var/"log/credd.log" }.each do |word, value|
      inreplace agent, "@#{word}@", value
    end
    (var/"log").mkpath
    prefix.install "systemd/credd.service", agent
  end

  # Named as `credd install` names its own: the one or the other.
  service do
    name macos: "dev.credd.agent", linux: "credd"
  end

  test do
    (testpath/"keys.env").write "export TEST_KEY=value\n"
    chmod 0600, testpath/"keys.env"
    (testpath/"config.toml").write <<~TOML
      [alerts]
      desktop = false

      [[keys]]
      name = "test"
      variable = "TEST_KEY"
      env_file = "#{testpath}/keys.env"
      probe = "off"

      # Or it would look after the LiteLLM of whoever tests.
      [[consumers]]
      name = "nobody"
      match = ["no such program"]
      restart = "none"
    TOML
    ENV["CREDD_CONFIG"] = "#{testpath}/config.toml"
    ENV["CREDD_STATE_DIR"] = "#{testpath}/state"
    ENV["CREDD_SOCKET"] = "#{testpath}/s"
    assert_match version.to_s, shell_output("#{bin}/credd --version")
    # Nothing is known before the daemon has run.
    shell_output("#{bin}/credd check", 3)
    daemon = spawn bin/"credd", "run"
    begin
      attempts = 0
      sleep 0.1 until (testpath/"s").exist? || (attempts += 1) > 100
      status = JSON.parse(shell_output("#{bin}/credd status --json"))
      assert status["live"]
      assert_equal "test", status["keys"][0]["name"]
    ensure
      Process.kill "TERM", daemon
      Process.wait daemon
    end
  end
end
