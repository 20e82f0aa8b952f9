using System.Text;
using Adit.Cli.Commands;
using Adit.Cli.Help;

namespace Adit.Cli.Completion;

/// <summary>Fills the shells' scripts (the files beside this one) with the flags of the manuals.</summary>
internal static class CompletionScripts
{
    private static readonly (string Command, Manual Manual)[] Commands =
        [("ssh", SshHelp.Manual), ("sshd", SshdCommandHelp.Manual), ("keygen", KeygenHelp.Manual)];

    /// <summary>Null for a shell that is not known.</summary>
    public static string? For(string shell) => shell switch
    {
        "bash" => Template("adit.bash").Replace("@COMMANDS@", Names).Replace("@CASES@", Bash()),
        "zsh" => Template("adit.zsh").Replace("@COMMANDS@", Names).Replace("@CASES@", Zsh()),
        "fish" => Template("adit.fish").Replace("@COMMANDS@", Names).Replace("@CASES@", Fish()),
        _ => null,
    };

    private static string Names => string.Join(' ', CommandTable.Names);

    private static string Template(string name)
    {
        using var stream = typeof(CompletionScripts).Assembly.GetManifestResourceStream(name)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    /// <summary>For each command its flags, those that take a value, and for each of these what to propose: read by adit.bash.</summary>
    private static string Bash()
    {
        var text = new StringBuilder();
        foreach (var (command, manual) in Commands)
        {
            text.Append($"    {command})\n");
            text.Append($"      flags='{string.Join(' ', manual.Rows.SelectMany(row => row.Names))}'\n");
            text.Append($"      valued='{Letters(manual)}'\n");
            text.Append("      case $flag in\n");
            foreach (var row in manual.Rows.Where(row => row.Value is not null && row.Kind != ValueKind.Free))
            {
                text.Append($"        {string.Join('|', row.Names)}) kind={KindName(row.Kind)}{(row.Choices is null ? "" : $" words='{string.Join(' ', row.Choices())}'")} ;;\n");
            }

            text.Append("      esac\n      ;;\n");
        }

        return text.ToString();
    }

    /// <summary>_arguments' specifications.</summary>
    private static string Zsh()
    {
        var text = new StringBuilder();
        foreach (var (command, manual) in Commands)
        {
            text.Append($"    {command})\n      flags=(\n");
            foreach (var row in manual.Rows)
            {
                foreach (var name in row.Names)
                {
                    // '*': it may come again; '+': its value may be glued to it.
                    text.Append($"        '*{name}{(row.Value is null || name.StartsWith("--", StringComparison.Ordinal) ? "" : "+")}[{Words(row.Brief)}]");
                    text.Append(row.Value is null ? "'\n" : $":{Words(row.Value)}:{ZshAction(row)}'\n");
                }
            }

            text.Append("      )\n      ;;\n");
        }

        return text.ToString();
    }

    private static string ZshAction(FlagRow row) => row.Kind switch
    {
        ValueKind.File => "_files",
        ValueKind.Folder => "_files -/",
        ValueKind.Host => "_adit_destination",
        ValueKind.Hosts => "_sequence _adit_hosts",
        ValueKind.User => "_users",
        ValueKind.Choice => $"({string.Join(' ', row.Choices!())})",
        ValueKind.Choices => $"_values -s , {row.Value} {string.Join(' ', row.Choices!())}",
        ValueKind.Keyword => $"compadd -S = -- {string.Join(' ', row.Choices!())}",
        _ => " ",
    };

    private static string Fish()
    {
        var text = new StringBuilder();
        foreach (var (command, manual) in Commands)
        {
            foreach (var row in manual.Rows)
            {
                foreach (var name in row.Names)
                {
                    text.Append($"complete -c adit -n '__adit_in {command}' ");
                    text.Append(name.StartsWith("--", StringComparison.Ordinal) ? $"-l {name[2..]}" : $"-s {name[1..]}");
                    text.Append(row.Value is null ? "" : row.Kind switch
                    {
                        ValueKind.File or ValueKind.Folder => " -r -F",
                        ValueKind.Host or ValueKind.Hosts => " -x -a '(__adit_hosts)'",
                        ValueKind.User => " -x -a '(__fish_complete_users)'",
                        ValueKind.Choice => $" -x -a '{string.Join(' ', row.Choices!())}'",
                        ValueKind.Choices => $" -x -a '(__fish_append , {string.Join(' ', row.Choices!())})'",
                        ValueKind.Keyword => $" -x -a '{string.Join(' ', row.Choices!().Select(word => word + "="))}'",
                        _ => " -x",
                    });
                    text.Append($" -d '{Words(row.Brief)}'\n");
                }
            }
        }

        return text.ToString();
    }

    private static string KindName(ValueKind kind) => kind.ToString().ToLowerInvariant();

    private static string Letters(Manual manual) =>
        string.Concat(manual.Rows.Where(row => row.Value is not null).SelectMany(row => row.Names).Where(name => name.Length == 2).Select(name => name[1]));

    /// <summary>Without what means something to a shell inside quotes, or to _arguments inside brackets.</summary>
    private static string Words(string text) => new([.. text.Select(letter => letter is '\'' or '[' or ']' or ':' or '\\' or '"' or '`' or '$' ? ' ' : letter)]);
}
