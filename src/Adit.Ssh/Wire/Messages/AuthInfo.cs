namespace Adit.Ssh.Wire.Messages;

/// <summary>One question of keyboard-interactive, as it stands in the message.</summary>
internal readonly record struct AuthInfoPrompt(string Text, bool Echo);

/// <summary>Questions of keyboard-interactive (RFC 4256, section 3.2).</summary>
// byte      SSH_MSG_USERAUTH_INFO_REQUEST (60)
// string    name in UTF-8
// string    instruction in UTF-8
// string    language tag (deprecated, empty)
// int       num-prompts
// string    prompt[1] in UTF-8
// boolean   echo[1]
// ...
internal sealed record AuthInfoRequestMessage(string Name, string Instruction, IReadOnlyList<AuthInfoPrompt> Prompts) : ISshMessage<AuthInfoRequestMessage>
{
    /// <summary>Most questions taken in one message.</summary>
    public const int MaxPrompts = 100;

    public static MessageId Id => MessageId.UserAuthMethod60;

    public static AuthInfoRequestMessage Read(ref SshReader reader)
    {
        string name = reader.ReadText(maxLength: 16 * 1024);
        string instruction = reader.ReadText(maxLength: 64 * 1024);
        reader.ReadString(maxLength: 256);
        uint count = reader.ReadUInt32();
        if (count > MaxPrompts)
            throw SshException.Protocol($"{count} prompts in one request; at most {MaxPrompts} are taken");
        var prompts = new AuthInfoPrompt[count];
        for (int i = 0; i < prompts.Length; i++)
            prompts[i] = new AuthInfoPrompt(reader.ReadText(maxLength: 16 * 1024), reader.ReadBoolean());
        reader.EnsureEnd();
        return new AuthInfoRequestMessage(name, instruction, prompts);
    }

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Id);
        writer.WriteString(Name);
        writer.WriteString(Instruction);
        writer.WriteString("");
        writer.WriteUInt32((uint)Prompts.Count);
        foreach (var prompt in Prompts)
        {
            writer.WriteString(prompt.Text);
            writer.WriteBoolean(prompt.Echo);
        }
    }
}

/// <summary>Answers of keyboard-interactive, in the order of the questions (RFC 4256, section 3.4).</summary>
// byte      SSH_MSG_USERAUTH_INFO_RESPONSE (61)
// int       num-responses
// string    response[1] in UTF-8
// ...
internal sealed record AuthInfoResponseMessage(IReadOnlyList<string> Answers) : ISshMessage<AuthInfoResponseMessage>
{
    public static MessageId Id => MessageId.UserAuthMethod61;

    public override string ToString() => $"{Answers.Count} answers";

    public static AuthInfoResponseMessage Read(ref SshReader reader)
    {
        uint count = reader.ReadUInt32();
        if (count > AuthInfoRequestMessage.MaxPrompts)
            throw SshException.Protocol($"{count} answers in one response; at most {AuthInfoRequestMessage.MaxPrompts} are taken");
        string[] answers = new string[count];
        for (int i = 0; i < answers.Length; i++)
            answers[i] = reader.ReadText(maxLength: 16 * 1024);
        reader.EnsureEnd();
        return new AuthInfoResponseMessage(answers);
    }

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Id);
        writer.WriteUInt32((uint)Answers.Count);
        foreach (string answer in Answers)
            writer.WriteString(answer);
    }
}
