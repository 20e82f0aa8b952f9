namespace Adit.Cli.Diagnostics;

/// <summary>One line of <c>ssh -G</c>, <c>sshd -T</c> or the log that is not OpenSSH's.</summary>
/// <param name="Keyword">The keyword as it is printed, or the line.</param>
/// <param name="Theirs">What OpenSSH 9.2 prints.</param>
/// <param name="Ours">What we print.</param>
/// <param name="Why">The reason.</param>
internal sealed record ChosenDifference(string Keyword, string Theirs, string Ours, string Why);

/// <summary>The differences that are meant. Tests that compare the two programs read them off docs/compatibility.md and accept no other.</summary>
internal static class ChosenDifferences
{
    private const string OtherAlgorithms = "the algorithms of each program; lists that are written out come out alike where both have them";

    /// <summary>Of <c>ssh -G</c>.</summary>
    public static IReadOnlyList<ChosenDifference> Client { get; } =
    [
        new("serveraliveinterval", "0", "15", "a dead connection is noticed without being asked to; 0 turns it off"),
        new("ipqos", "`lowdelay throughput`, `af21 cs1` without Debian's change", "`ef none`", "the default of OpenSSH 10.1 and later"),
        new("forwardx11trusted", "yes", "no", "yes is Debian's change; OpenSSH itself has no"),
        new("gssapi*", "printed", "not printed", "Debian's change; there is no GSSAPI here"),
        new("ciphers", "its own", "ours", OtherAlgorithms),
        new("macs", "its own", "ours", OtherAlgorithms),
        new("kexalgorithms", "its own", "ours", OtherAlgorithms),
        new("hostkeyalgorithms", "its own", "ours", OtherAlgorithms),
        new("hostbasedacceptedalgorithms", "its own", "ours", OtherAlgorithms),
        new("pubkeyacceptedalgorithms", "its own", "ours", OtherAlgorithms),
        new("casignaturealgorithms", "its own", "ours", OtherAlgorithms),
        new("identityfile", "`~/.ssh/id_xmss` and `~/.ssh/id_dsa` among the defaults", "without them", "no such keys here, and none in OpenSSH 10"),
        new("canonicalizepermittedcnames", "`canonicalizePermittedcnames`", "all in lower case", "as later versions of OpenSSH"),
        new("escapechar", "`\\^A`", "`^A`", "9.2 cannot read its own form back"),
        new("remoteforward", "`8080 [socks]:0`", "`8080`", "for a SOCKS proxy there; 9.2 cannot read its own form back. A Unix socket to listen on without a destination is refused"),
        new("dynamicforward", "one more for each LocalForward to a Unix socket", "those that were asked for", "a fault of 9.2"),
        new("logverbose", "the first pattern", "all of them", "a fault of 9.2"),
        new("permitremoteopen", "names of services as written", "their numbers", "they are looked up once"),
        new("warnweakcrypto", "not known", "printed where it is set", "newer than 9.2, which could not read it back"),
        new("obscurekeystroketiming", "not known", "printed where it is set", "newer than 9.2"),
        new("channeltimeout", "not known", "printed where it is set", "newer than 9.2"),
        new("tag", "not known", "printed where it is set", "newer than 9.2"),
        new("versionaddendum", "not known", "printed where it is set", "newer than 9.2"),
        new("refuseconnection", "not known", "printed where it is set", "newer than 9.2"),
    ];

    /// <summary>Of the command lines.</summary>
    public static IReadOnlyList<ChosenDifference> CommandLine { get; } =
    [
        new("ssh -G", "on standard error `Pseudo-terminal will not be allocated …`, without a terminal there, and `Cannot forward agent socket path …`", "nothing", "nothing is asked for yet"),
        new("ssh -P tag", "in 9.2 a flag without a value, and without a meaning", "takes the tag", "as OpenSSH 9.4 and later"),
        new("ssh -W /socket, ssh -W 8080", "in 9.2 taken, and failing once connected", "a Unix socket; refused", "as OpenSSH 9.4 and later"),
        new("ssh -D /socket, ssh -R /socket", "taken, and failing once connected", "refused", "nobody can speak SOCKS there"),
        new("ssh -J 'a b'", "in 9.2 taken, for a host that no name service knows", "refused", "as OpenSSH 10.3"),
        new("ssh -ttt, ssh -MMM, ssh -vqv", "in 9.2 the third undoes the second; -q silences what comes after", "two and more are the same; the last of -v and -q counts", "nobody means that"),
        new("ssh -l ''", "asks to log in as nobody", "refused", "a variable that is not set"),
        new("ssh host </dev/null, Ctrl-D at the question for a password", "tries an empty password, and asks again", "tries none, and asks no more", "nobody typed it; the last line and the exit code are the same"),
        new("ssh -Q CIPHER", "names in one case only", "in any", "as OpenSSH does for keywords"),
        new("ssh ssh://[::1]", "usage in 9.2", "an IPv6 address", "as RFC 3986 has it"),
        new("sshd -p 0, sshd -o Port=0", "refused", "any free port, which the log tells", "for tests"),
        new("sshd -T -C invalid-user", "not known to 9.2", "taken", "as OpenSSH 9.9"),
        new("sshd -T -C … with Match LocalPort", "refused without lport=", "the block does not match", "as with the other criteria"),
        new("sshd -o Include=file", "refused", "taken", "it does what it says"),
        new("ChrootDirectory %q, AuthorizedKeysFile %q", "taken, and failing at each login", "refused at the start", "a token that is none"),
    ];

    /// <summary>Of <c>sshd -T</c>.</summary>
    public static IReadOnlyList<ChosenDifference> Server { get; } =
    [
        new("clientaliveinterval", "0", "15", "a dead client is noticed without being asked to; 0 turns it off"),
        new("gssapi*", "printed", "not printed", "there is no GSSAPI here"),
        new("kerberos*", "printed", "not printed", "there is no Kerberos here"),
        new("ciphers", "its own", "ours", OtherAlgorithms),
        new("macs", "its own", "ours", OtherAlgorithms),
        new("kexalgorithms", "its own", "ours", OtherAlgorithms),
        new("hostkeyalgorithms", "its own", "ours", OtherAlgorithms),
        new("hostbasedacceptedalgorithms", "its own", "not printed unless set", "hosts do not vouch for users here"),
        new("pubkeyacceptedalgorithms", "its own", "ours", OtherAlgorithms),
        new("casignaturealgorithms", "its own", "ours", OtherAlgorithms),
        new("rekeylimit", "`0 0`", "ours", "the limits that hold are printed"),
        new("channeltimeout", "times as written", "in seconds", "they mean the same"),
        new("remoteforwardtakeovertimeout", "not known", "printed where it is set", "Adit's own"),
    ];

    /// <summary>Of lines of ssh_config.</summary>
    public static IReadOnlyList<ChosenDifference> ClientLines { get; } =
    [
        new("Include %h, User %h", "in 9.2 no tokens there", "the tokens stand for what they do elsewhere; one that is none is refused", "as OpenSSH 10"),
        new("RevokedHostKeys a b", "in 9.2 one file", "several", "as later versions of OpenSSH"),
        new("Match user 'a'", "in 9.2 with the quotes in the pattern", "without", "as later versions of OpenSSH, and as in every other line"),
        new("PermitRemoteOpen :1, RekeyLimit +, StreamLocalBindMask 1h", "taken: for no host, for 0, for 1", "refused", "nobody means that"),
        new("LogVerbose *", "everything at once, -G as well", "once it connects", "-G prints the configuration"),
    ];

    /// <summary>Of lines of sshd_config.</summary>
    public static IReadOnlyList<ChosenDifference> ServerLines { get; } =
    [
        new("sshd -f FOLDER, Include FOLDER", "read as an empty file", "refused: Is a directory", "the server would go by its defaults, and let in whom the files keep out"),
        new("=, \"Port 22", "a line without a keyword is passed over", "refused", "it may have been meant to forbid something"),
        new("AuthorizedKeysFile # a comment alone", "the default", "refused", "a name is missing"),
        new("AuthenticationMethods publickey:x, keyboard-interactive:x", "taken, and nobody can log in", "refused", "it is known before anybody tries"),
        new("AuthenticationMethods none", "taken without PermitEmptyPasswords", "refused without it", "nobody could log in"),
        new("MaxStartups 1:2:3:4, RekeyLimit +", "the rest is passed over", "refused", "nobody means that"),
        new("ListenAddress 127.0.0.1:0, Port 0", "refused", "any free port", "for tests"),
        new("ListenAddress … rdomain NAME", "listens in a routing domain", "refused by name", "not built"),
        new("Match RDomain", "the domain of the connection", "the same: always the empty one", "there is no listening in others"),
        new("RDomain none", "refused: not supported on Linux", "taken", "it asks for nothing"),
        new("Match Invalid-User, Match Version, RefuseConnection, PAMServiceName, PerSourcePenalties, …", "not known to 9.2", "taken", "as later versions of OpenSSH"),
        new("Match user 'a'", "in 9.2 with the quotes in the pattern", "without", "as later versions of OpenSSH, and as in every other line"),
        new("Subsystem a …, twice", "refused by 9.2", "the first counts", "as OpenSSH 9.5 and later"),
        new("FingerprintHash sha1", "taken, as sha384 and sha512 are", "refused", "SHA256 and MD5 are what keys are named by"),
        new("GSSAPIAuthentication yes, KerberosAuthentication yes, …", "taken", "taken, and logged as unsupported", "as OpenSSH does where it is built without them"),
        new("GSSAPIDelegateCredentials, KerberosUseKuserok, ShowPatchLevel", "Bad configuration option", "taken, and logged", "other distributions have them"),
        new("HostbasedAuthentication yes", "taken", "taken, with a warning", "it has no effect here"),
        new("Banner FILE", "a file that is missing shows at a login: nothing", "-t and the log tell", "somebody wanted it shown"),
        new("LogVerbose *", "from the first connection on", "-t as well", "it says everything"),
        new("internal-sftp -f FACILITY", "where its log goes", "no effect; a line in the log says so", "what it logs goes to the server's log, also from inside a ChrootDirectory"),
        new("internal-sftp -c", "the login shell's, for a server that is one", "usage", "it is no program"),
    ];

    /// <summary>Of what sshd logs. The tests that compare the logs have the same list, as patterns.</summary>
    public static IReadOnlyList<ChosenDifference> ServerLog { get; } =
    [
        new("refused … forward", "denied, at INFO, or a line at DEBUG alone", "denied, always at INFO, with the rule that did it in brackets", "one looks for that rule next"),
        new("Connection closed by user NAME", "without the name, at VERBOSE", "at INFO", "a login that was lost has an end in the log too"),
        new("ROOT LOGIN REFUSED", "twice (the second with `[preauth]`), once the key has signed", "once, when the right key is shown", "there is one process, and nothing to sign for"),
        new("User child is on pid", "at VERBOSE", "none", "no process for each login"),
        new("Close session", "at VERBOSE, unless the client was faster", "always", "a session that began has ended"),
        new("Timeout before authentication", "none in 9.2 with Debian's changes; for, or for connection from", "for connection from ADDRESS port N to ADDRESS port N", "as OpenSSH 9.8 and later"),
        new("Could not get shadow information for NOUSER", "for users that do not exist, without PAM", "none", "Invalid user says it"),
    ];
}
