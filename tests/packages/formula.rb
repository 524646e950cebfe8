# Runs Homebrew's formula without Homebrew: a stand-in of the few words of its language that the formula uses, with a
# program that is built already in place of Cargo's. Everything else that it says is done.
#
#   ruby tests/packages/formula.rb FORMULA PROGRAM SOURCES FOLDER      into FOLDER; says the service as JSON
require "English"
require "fileutils"
require "json"
require "pathname"
require "tmpdir"

PROGRAM, SOURCES, FOLDER = ARGV.values_at(1, 2, 3).map { |path| Pathname.new(path).realpath }
HOMEBREW_PREFIX = "/opt/homebrew"

# What Homebrew adds to paths.
class Pathname
  def install(*files)
    mkpath
    FileUtils.cp(files, self)
  end
end

# What stands between `service do` and `end`, as it is said.
class Service
  attr_reader :said

  def initialize(formula, &block)
    @formula = formula
    @said = {}
    instance_eval(&block)
  end

  def method_missing(name, *words, **more)
    return @formula.public_send(name) if words.empty? && more.empty?

    @said[name] = more.empty? ? words.flatten.map(&:to_s) : more
  end

  def respond_to_missing?(*) = true
end

class Formula
  include FileUtils

  class << self
    attr_reader :said, :service_block, :test_block

    %i[desc homepage url sha256 license depends_on].each do |word|
      define_method(word) { |value| (@said ||= {})[word] = value }
    end
    def service(&block) = @service_block = block
    def test(&block) = @test_block = block
  end

  def bin = FOLDER/"bin"
  def prefix = FOLDER
  def opt_bin = Pathname.new("#{HOMEBREW_PREFIX}/opt/credd/bin")
  def var = FOLDER/"var"
  def man1 = FOLDER/"share/man/man1"
  def doc = FOLDER/"share/doc/credd"
  def pkgshare = FOLDER/"share/credd"
  def testpath = @testpath ||= Pathname.new(Dir.mktmpdir)
  def std_cargo_args = ["--locked", "--root", FOLDER.to_s, "--path", "."]
  def version = self.class.said[:url][/credd-(.*)\.tar\.gz/, 1]

  def system(*words)
    return bin.install(PROGRAM) if words[0] == "cargo"

    Kernel.system(*words.map(&:to_s), exception: true)
  end

  def spawn(*words) = Kernel.spawn(*words.map(&:to_s))

  def inreplace(file, before, after)
    text = File.read(file)
    raise "#{file}: no #{before.inspect}" unless text.sub!(before, after.to_s)

    File.write(file, text)
  end

  def generate_completions_from_executable(*words)
    %w[bash zsh fish].each do |shell|
      text = IO.popen([*words.map(&:to_s), shell], &:read)
      raise "no completions for #{shell}" if text.empty? || !$CHILD_STATUS.success?
    end
  end

  def shell_output(line, status = 0)
    text = `#{line}`
    raise "#{line}: exit status #{$CHILD_STATUS.exitstatus}" unless $CHILD_STATUS.exitstatus == status

    text
  end

  def assert(value) = value || raise("not so: #{value.inspect}")
  def assert_equal(one, two) = one == two || raise("#{one.inspect} isn't #{two.inspect}")
  def assert_match(one, two) = two.match?(one) || raise("#{one.inspect} isn't in #{two.inspect}")
end

require ARGV[0]
formula = Credd.new
Dir.chdir(SOURCES) { formula.install }
begin
  formula.instance_exec(&Credd.test_block)
ensure
  FileUtils.rm_rf(formula.testpath)
end
puts JSON.generate(Service.new(formula, &Credd.service_block).said)
